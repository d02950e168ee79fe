"""Shows the progress of long work to a user, on stderr; progress bars appear on a terminal only."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager

import rich.progress
from rich.console import Console

from imgcls_networks.progress import DownloadProgress, T


class ConsoleProgress:
    """Writes to stderr; progress bars appear on a terminal only."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    def step(self, text: str) -> None:
        """Shows a stage."""
        self._console.print(f"{text} …", markup=False)

    def note(self, text: str) -> None:
        """Shows a note."""
        self._console.print(f"note: {text}", markup=False, style="yellow")

    def track(self, items: Iterable[T], text: str, total: int) -> Iterator[T]:
        """Shows a bar while the items are worked on."""
        return iter(
            rich.progress.track(
                items,
                description=text,
                total=total,
                console=self._console,
                transient=True,
                disable=not self._console.is_terminal,
            )
        )

    @contextmanager
    def download(self, text: str) -> Generator[DownloadProgress]:
        """Shows a bar with speed and time left; without a terminal, that it begins."""
        if not self._console.is_terminal:
            self.step(f"Downloading {text}")
        columns = (
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(),
            rich.progress.DownloadColumn(),
            rich.progress.TransferSpeedColumn(),
            rich.progress.TimeRemainingColumn(),
        )
        with rich.progress.Progress(*columns, console=self._console, disable=not self._console.is_terminal) as bars:
            yield _Download(bars, text)


class _Download:
    def __init__(self, bars: rich.progress.Progress, text: str) -> None:
        self._bars = bars
        self._task = bars.add_task(f"Downloading {text}", total=None)

    def update(self, done_bytes: int, total_bytes: int | None) -> None:
        """Moves the bar."""
        self._bars.update(self._task, completed=done_bytes, total=total_bytes)
