"""Numbers that all workers see: each writes its own row and reads the others', without a lock.

A number is eight aligned bytes, which the processor writes at once. Whoever claims something of a common limit writes
its claim first and looks at the others' then: of two who come at once both see both.
"""

from __future__ import annotations

import mmap
from collections.abc import Hashable
from enum import IntEnum, auto
from pathlib import Path
from typing import Final

_CALLERS: Final = 512
_BYTES: Final = 8


class Figure(IntEnum):
    """What stands in a row. The supervisor writes `PID` and `DEATHS`, the worker all others."""

    PID = 0
    DEATHS = auto()
    IS_UP = auto()  # it has what all have, and answers images
    IS_DONE = auto()  # it drains, and nothing is in flight
    TAKEN = auto()  # connections, ever
    OPEN = auto()  # connections
    WAITING = auto()  # images
    HELD_BYTES = auto()
    PIXELS = auto()  # being decoded


_WIDTH: Final = len(Figure) + 2 * _CALLERS


class Rows:
    """The rows of all workers, in a file that they share.

    Args:
        file: made of zeros by the supervisor (`create`).
        workers: how many rows.
    """

    def __init__(self, file: Path, workers: int, *, create: bool = False) -> None:
        if create:
            file.write_bytes(bytes(_WIDTH * _BYTES * workers))
        self.workers = workers
        with file.open("r+b") as opened:
            self._numbers = memoryview(mmap.mmap(opened.fileno(), 0)).cast("q")

    def read(self, slot: int, field: Figure) -> int:
        """Gives a number of a row."""
        return self._numbers[slot * _WIDTH + field]

    def write(self, slot: int, field: Figure, value: int) -> None:
        """Sets a number of a row."""
        self._numbers[slot * _WIDTH + field] = value

    def sum(self, field: Figure) -> int:
        """Adds a number up over all rows."""
        return sum(self._numbers[field::_WIDTH])

    def clear(self, slot: int) -> None:
        """Forgets a worker that has ended, but for how many have ended in its place."""
        for place in range(slot * _WIDTH, (slot + 1) * _WIDTH):
            if place != slot * _WIDTH + Figure.DEATHS:
                self._numbers[place] = 0

    def write_caller(self, slot: int, place: int, key: int, images: int) -> None:
        """Says how many images of a caller wait in a worker; places are 0 to `CALLERS` - 1."""
        at = slot * _WIDTH + len(Figure) + 2 * place
        self._numbers[at + 1] = 0  # nobody shall read the number of one with the key of another
        self._numbers[at] = key
        self._numbers[at + 1] = images

    def callers(self, slot: int) -> dict[Hashable, int]:
        """Gives how many images of each caller wait in a worker."""
        first = slot * _WIDTH + len(Figure)
        row = self._numbers[first : first + 2 * _CALLERS].tolist()
        return {key: images for key, images in zip(row[::2], row[1::2], strict=True) if images}


CALLERS: Final = _CALLERS
