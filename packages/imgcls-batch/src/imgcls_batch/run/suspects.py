"""Which image kills its worker: a shard whose worker died is done again image by image, with a note before each.

The note stands in OUTPUT, so that whoever takes the shard next finds it, in any process and on any machine.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from imgcls_batch.output.objects import OutputObjects

# One death may be the machine's; at the second of the same image it is the image.
_ENOUGH_DEATHS: Final = 2


class _Note(Struct):
    at: int | None
    deaths: dict[int, int]


class Suspects:
    """The images of a shard on which workers died.

    Args:
        output: where the notes are.
        shard: its number.
    """

    def __init__(self, output: OutputObjects, shard: int) -> None:
        self._output = output
        self._name = f"_imgcls/suspects/shard-{shard:08d}.json"
        content = output.read(self._name)
        self._note = _Note(None, {}) if content is None else msgspec.json.decode(content, type=_Note)
        if (row := self._note.at) is not None:
            self._note.deaths[row] = self._note.deaths.get(row, 0) + 1

    def is_guilty(self, row: int) -> bool:
        """Whether workers died on this image often enough."""
        return self._note.deaths.get(row, 0) >= _ENOUGH_DEATHS

    def begin(self, row: int | None) -> None:
        """Notes which image comes next; None when all are done."""
        self._note.at = row
        self._output.replace(self._name, msgspec.json.encode(self._note))
