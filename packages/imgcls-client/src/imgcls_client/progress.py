"""A progress bar on standard error, where a person is watching and results do not scroll by anyway."""

import sys
from collections.abc import Generator, Iterable
from typing import TypeVar

__all__ = ["with_progress"]

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
