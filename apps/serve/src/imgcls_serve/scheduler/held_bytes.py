"""Who may hold how many bytes of bodies: as many as there is room for, in fair shares once there is none."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol

from imgcls_serve.errors import QueueFullError


class BodyHolder(Protocol):
    """A request, while its body is in memory.

    Attributes:
        held_bytes: of its body; kept by `HeldBytes`.
        give_way: ends the reading of its body; None where nothing of it is being read.
    """

    held_bytes: int
    give_way: Callable[[], None] | None

    @property
    def caller(self) -> Hashable:
        """Whose it is."""
        ...


class CommonCount(Protocol):
    """A number of which the sum over several processes is limited."""

    @property
    def others(self) -> int:
        """The sum of the others' numbers."""
        ...

    def set(self, own: int) -> None:
        """Sets one's own number, which the others see from now on."""
        ...


class AloneCount:
    """Of a process that is alone."""

    others = 0

    def set(self, own: int) -> None:
        """Tells nobody."""


class HeldBytes:
    """The bodies of all requests.

    When they are too many, the latest body that still comes of whoever holds most gives way to one of a caller who
    holds less. Nothing is kept of a caller who holds nothing.

    Args:
        most: bytes.
        shared: those of all processes together.

    Attributes:
        total: bytes that are held here.
    """

    def __init__(self, most: int, shared: CommonCount | None = None) -> None:
        self._most = most
        self._shared = shared or AloneCount()
        self._of_caller: dict[Hashable, dict[BodyHolder, None]] = {}
        self.total = 0

    def hold(self, holder: BodyHolder, size: int) -> None:
        """Counts more bytes of a request until it is released.

        Raises:
            QueueFullError: there is no room for them, and nobody who holds more.
        """
        self._of_caller.setdefault(holder.caller, {})[holder] = None
        holder.held_bytes += size
        self.total += size
        self._shared.set(self.total)
        while self.total + self._shared.others > self._most:
            self._end_one_for(holder)

    def release(self, holder: BodyHolder) -> None:
        """The request is over; may be said again."""
        holders = self._of_caller.get(holder.caller, {})
        if holder in holders:
            self.total -= holder.held_bytes
            self._shared.set(self.total)
            holder.held_bytes = 0
            del holders[holder]
            if not holders:
                del self._of_caller[holder.caller]

    def _end_one_for(self, holder: BodyHolder) -> None:
        held = {caller: sum(one.held_bytes for one in holders) for caller, holders in self._of_caller.items()}
        largest = max(held, key=lambda caller: held[caller])
        coming = (one for one in reversed(self._of_caller[largest]) if one.give_way is not None)
        latest = next(coming, None) if held[largest] > held[holder.caller] else None
        if latest is None or latest.give_way is None:
            raise QueueFullError(f"the bodies in flight hold more than {self._most:,} bytes", retry_after_s=1)
        latest.give_way()
        self.release(latest)
