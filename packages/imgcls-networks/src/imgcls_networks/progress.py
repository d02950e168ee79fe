"""What a conversion tells while it works; the command shows it, tests and libraries may ignore it."""

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
        """Something that the person should know and perhaps change."""
        ...

    def track(self, items: Iterable[T], text: str, total: int) -> Iterator[T]:
        """Passes the items on and shows how far it is."""
        ...

    def download(self, text: str) -> AbstractContextManager[DownloadProgress]:
        """Shows a download."""
        ...


class DownloadProgress(Protocol):
    """Told of the bytes that are on disk."""

    def update(self, done_bytes: int, total_bytes: int | None) -> None:
        """`total_bytes` is None when the server does not say."""
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

    def download(self, text: str) -> AbstractContextManager[DownloadProgress]:
        """Shows nothing."""
        return nullcontext(_SilentDownload())


class _SilentDownload:
    def update(self, done_bytes: int, total_bytes: int | None) -> None:
        """Ignores it."""
