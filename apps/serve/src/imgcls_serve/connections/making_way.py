"""Which connection ends where one more comes than there may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Protocol, TypeVar


class Contender(Protocol):
    """A connection as it competes for its place.

    Attributes:
        network: what counts as one caller.
        opened_s: when it was made.
        idle_since_s: since when it has been without a request; None while it has one.
    """

    network: str
    opened_s: float
    idle_since_s: float | None

    @property
    def may_end(self) -> bool:
        """Whether nothing is lost: it is still open, and no answer is being made that will be read."""
        ...


_T = TypeVar("_T", bound=Contender)


def who_goes(newcomer: _T, everyone: Collection[_T]) -> _T | None:
    """Gives the connection that ends for a new one; None where none may be ended.

    It is one of the address that has most: the one that has been idle longest, else the oldest that is not being
    answered, or does not read its answer. Nothing of it goes for an address that has more, and only what is idle
    for one that has as many.
    """
    shares = Counter(one.network for one in everyone)
    own = shares[newcomer.network]

    def may_go(one: _T) -> bool:
        return one is not newcomer and shares[one.network] > own - (one.idle_since_s is not None) and one.may_end

    def rank(one: _T) -> tuple[int, bool, float]:
        return shares[one.network], one.idle_since_s is not None, -(one.idle_since_s or one.opened_s)

    return max(filter(may_go, everyone), key=rank, default=None)
