"""Progress on standard error: bars where it is a terminal, lines elsewhere. Loads rich when there is a bar to show."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from imgcls_cli.printable import echo, printable
from imgcls_cli.progress import SilentTransfer, T, Transfer

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import ProgressColumn, TaskID

# Below this nobody waits, and a line would only be noise.
_WORTH_A_LINE_BYTES: Final = 1_000_000


class TerminalProgress:
    """Tells a user what a long command does."""

    def step(self, text: str) -> None:
        """Shows a stage."""
        echo(f"{text} …", err=True)

    def note(self, text: str) -> None:
        """Shows a note, in yellow on a terminal."""
        echo(f"note: {text}", err=True, fg="yellow")

    def track(self, items: Iterable[T], text: str, total: int) -> Iterator[T]:
        """Shows a bar while the items are worked on."""
        return show_items(items, text, total)

    @contextmanager
    def transfer(self, text: str, size_bytes: int | None = None) -> Generator[Transfer]:
        """Shows a bar with speed and time left; without a terminal, that it begins, unless it is small."""
        if not sys.stderr.isatty():
            if size_bytes is None:
                self.step(text)
            elif size_bytes >= _WORTH_A_LINE_BYTES:
                self.step(f"{text} ({size_bytes / 1e6:.1f} MB)")
            yield SilentTransfer()
            return
        from rich.progress import (  # noqa: PLC0415
            BarColumn,
            DownloadColumn,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        with _bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        ) as bars:
            yield _BarTransfer(bars, bars.add_task(printable(text), total=size_bytes))


class _BarTransfer:
    def __init__(self, bars: Bars, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def advance(self, count: int) -> None:
        """Moves the bar on."""
        self._bars.advance(self._task, count)

    def update(self, done_bytes: int, total_bytes: int | None) -> None:
        """Moves the bar to a place."""
        self._bars.update(self._task, completed=done_bytes, total=total_bytes)


def show_items(items: Iterable[T], text: str, total: int, *, shown: bool = True) -> Generator[T]:
    """Passes items on and shows how far they are.

    Args:
        items: what passes.
        text: what the bar says.
        total: how many will pass.
        shown: whether to show it; without a terminal on standard error it never is.
    """
    if not shown or not sys.stderr.isatty():
        yield from items
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    named = TextColumn("{task.description}", markup=False)
    with _bars(named, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bars:
        yield from bars.track(items, total=total, description=printable(text))


@contextmanager
def show_time(length_s: float, text: str) -> Generator[None]:
    """Shows time pass while something of known length runs; twice a second, so that it disturbs no measurement.

    Args:
        length_s: how long it runs.
        text: what the bar says.
    """
    if not sys.stderr.isatty():
        yield
        return
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    ended = threading.Event()
    named = TextColumn("{task.description}", markup=False)
    with _bars(named, BarColumn(), TimeRemainingColumn(), per_second=2) as bars:
        task = bars.add_task(printable(text), total=length_s)

        def advance() -> None:
            while not ended.wait(0.5):
                bars.advance(task, 0.5)

        clock = threading.Thread(target=advance, daemon=True)
        clock.start()
        try:
            yield
        finally:
            ended.set()
            clock.join()


def _bars(*columns: ProgressColumn, per_second: float = 10) -> Bars:
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress as Bars  # noqa: PLC0415

    return Bars(*columns, console=Console(stderr=True), transient=True, refresh_per_second=per_second)
