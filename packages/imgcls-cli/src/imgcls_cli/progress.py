"""What long work tells while it runs; a command shows it, tests and libraries may ignore it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Receives steps, notes and progress of long work."""

    def step(self, text: str) -> None:
        """A stage begins."""
        ...

    def note(self, text: str) -> None:
        """Something that the user should know and perhaps change."""
        ...

    def track(self, items: Iterable[T], text: str, total: int) -> Iterator[T]:
        """Passes the items on and shows how far it is."""
        ...

    def transfer(self, text: str, size_bytes: int | None = None) -> AbstractContextManager[Transfer]:
        """Shows a transfer, such as "Downloading weights"; the size is None where nobody knows it yet."""
        ...


class Transfer(Protocol):
    """Told of bytes that have arrived."""

    def advance(self, count: int) -> None:
        """So many more."""
        ...

    def update(self, done_bytes: int, total_bytes: int | None) -> None:
        """So many in all; `total_bytes` is None when the other side does not say."""
        ...


class SilentProgress:
    """Says nothing."""

    def step(self, text: str) -> None:
        """Ignores it."""

    def note(self, text: str) -> None:
        """Ignores it."""

    def track(self, items: Iterable[T], text: str, total: int) -> Iterator[T]:
        """Passes the items on."""
        return iter(items)

    def transfer(self, text: str, size_bytes: int | None = None) -> AbstractContextManager[Transfer]:
        """Shows nothing."""
        return nullcontext(SilentTransfer())


class SilentTransfer:
    """Shows nothing."""

    def advance(self, count: int) -> None:
        """Ignores it."""

    def update(self, done_bytes: int, total_bytes: int | None) -> None:
        """Ignores it."""
