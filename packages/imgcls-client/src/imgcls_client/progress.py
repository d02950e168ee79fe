"""A progress bar on standard error, where a person is watching and results do not scroll by anyway."""

import sys
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["passing_time", "with_progress"]

Item = TypeVar("Item")


def with_progress(items: Iterable[Item], *, total: int, doing: str, shown: bool) -> Generator[Item]:
    """Pass items through and show how far they are.

    Args:
        items: What passes.
        total: How many will.
        doing: What the bar says.
        shown: Whether to show it; without a terminal on standard error it never is.
    """
    if not shown or not sys.stderr.isatty():
        yield from items
        return
    # Loaded here: most calls of the command never show a bar.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield from bar.track(items, total=total)


@contextmanager
def passing_time(length_s: float, *, doing: str) -> Generator[None]:
    """Show time pass while something of known length runs; twice a second, so that it disturbs no measurement."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    ended = threading.Event()
    columns = (TextColumn(doing), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=2) as bar:
        task = bar.add_task(doing, total=length_s)

        def advance() -> None:
            while not ended.wait(0.5):
                bar.advance(task, 0.5)

        clock = threading.Thread(target=advance, daemon=True)
        clock.start()
        try:
            yield
        finally:
            ended.set()
            clock.join()
