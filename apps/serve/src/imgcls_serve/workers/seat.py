"""What a worker knows of the others, as the scheduler asks for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from pathlib import Path

import msgspec

from imgcls_serve.workers.rows import CALLERS, Figure, Rows


class Seat(msgspec.Struct, frozen=True):
    """A worker's place, as its supervisor tells it.

    Args:
        slot: its number, from 0; a worker that takes the place of another has the same.
        workers: how many there are.
        folder: what they share: rows, sockets, locks, metrics.
        started_s: when the service was started, on the clock of `time.monotonic`, which all processes share.
        channel: descriptor of the socket from which its connections come.
    """

    slot: int
    workers: int
    folder: Path
    started_s: float
    channel: int

    @property
    def rows(self) -> Rows:
        """The numbers that all see."""
        return Rows(self.folder / "rows", self.workers)


class SharedCount:
    """A number of which the sum over all workers is limited.

    Args:
        rows: of all workers.
        slot: whose number it is.
        field: which.
    """

    def __init__(self, rows: Rows, slot: int, field: Figure) -> None:
        self._rows, self._slot, self._field = rows, slot, field

    @property
    def others(self) -> int:
        """The sum of the others' numbers."""
        return self._rows.sum(self._field) - self._rows.read(self._slot, self._field)

    def set(self, own: int) -> None:
        """Sets one's own number."""
        self._rows.write(self._slot, self._field, own)


class WaitingElsewhere(SharedCount):
    """The images that wait in other workers, by caller.

    Args:
        rows: of all workers.
        slot: who asks.
        tell_to_give_way: tells a worker, by its slot, that an image of this caller gives way.
    """

    def __init__(self, rows: Rows, slot: int, tell_to_give_way: Callable[[int, Hashable], None]) -> None:
        super().__init__(rows, slot, Figure.WAITING)
        self.workers = rows.workers
        self._tell_to_give_way = tell_to_give_way
        self._places: dict[Hashable, tuple[int, int]] = {}
        self._free = list(range(CALLERS))
        for place in self._free:
            rows.write_caller(slot, place, 0, 0)

    def key(self, caller: Hashable) -> int:
        """Gives the number by which all workers know a caller."""
        name = caller if isinstance(caller, bytes) else str(caller).encode()
        return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big", signed=True)

    def note(self, caller: Hashable, images: int) -> None:
        """Says how many images of a caller wait here."""
        place, key = self._places.get(caller) or ((self._free.pop(), self.key(caller)) if self._free else (-1, 0))
        if place < 0:  # so many callers have few images each, and none of them is in the way
            return
        self._rows.write_caller(self._slot, place, key, images)
        if images:
            self._places[caller] = (place, key)
        else:
            self._places.pop(caller, None)
            self._free.append(place)

    def by_caller(self) -> dict[Hashable, int]:
        """Gives how many images of each caller wait elsewhere, by key."""
        found: dict[Hashable, int] = {}
        for slot in range(self.workers):
            if slot != self._slot:
                for key, images in self._rows.callers(slot).items():
                    found[key] = found.get(key, 0) + images
        return found

    def let_give_way(self, key: Hashable) -> None:
        """Tells the worker where most images of a caller wait that one of them gives way."""
        slots = (slot for slot in range(self.workers) if slot != self._slot)
        self._tell_to_give_way(max(slots, key=lambda slot: self._rows.callers(slot).get(key, 0)), key)
