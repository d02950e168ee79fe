"""What a session shows: a bar on a terminal, lines elsewhere, JSON lines for machines."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any, Final, Self

from imgcls_cli.printable import echo

from imgcls_batch.output.run_document import RunDocument
from imgcls_batch.run.counters import SessionCounters

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_LINE_EVERY_S: Final = 10.0


class _Lines:
    def __init__(self) -> None:
        self._counters: SessionCounters | None = None
        self._told_s = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def under_way(self, images: int) -> None:
        """So many more images are answered."""
        if self._counters is not None:
            self._counters.under_way(images)
            self.moved(self._counters)

    def listing(self, images: int) -> None:
        """So many images of the source are listed."""

    def began(self, run: RunDocument, counters: SessionCounters) -> None:
        """The manifest stands."""
        self._counters = counters

    def moved(self, counters: SessionCounters) -> None:
        """Some more images are answered."""
        if time.monotonic() - self._told_s >= _LINE_EVERY_S:
            self._told_s = time.monotonic()
            self._show(counters)

    def _show(self, counters: SessionCounters) -> None:
        raise NotImplementedError


class JsonLines(_Lines):
    """One JSON document on a line for each event, on standard output."""

    def listing(self, images: int) -> None:
        """Says how many are listed, now and then."""
        if time.monotonic() - self._told_s >= _LINE_EVERY_S:
            self._told_s = time.monotonic()
            _print({"event": "listing", "images": images})

    def began(self, run: RunDocument, counters: SessionCounters) -> None:
        """Says what is to be done."""
        super().began(run, counters)
        _print(
            {
                "event": "began",
                "images": counters.images,
                "done_before": counters.done_before,
                "shards": run.manifest.shards,
                "model": run.artifact.name,
                "sha256": run.artifact.sha256,
            }
        )

    def _show(self, counters: SessionCounters) -> None:
        _print({"event": "progress", **_figures(counters)})

    def ended(self, run: RunDocument, counters: SessionCounters) -> None:
        """Says what was done."""
        _print({"event": "ended", **_figures(counters)})

    def reported(self, place: str) -> None:
        """Says where the report is."""
        _print({"event": "reported", "report": place})


class TerminalLines(_Lines):
    """A bar where standard error is a terminal, a line every ten seconds elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self._bars: Progress | None = None
        self._task: TaskID | None = None

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def listing(self, images: int) -> None:
        """Says how many are listed, now and then."""
        if time.monotonic() - self._told_s >= _LINE_EVERY_S:
            self._told_s = time.monotonic()
            echo(f"{images:,} images listed …", err=True)

    def began(self, run: RunDocument, counters: SessionCounters) -> None:
        """Says what is to be done."""
        super().began(run, counters)
        before = f", {counters.done_before:,} of them have their rows" if counters.done_before else ""
        echo(
            f"{counters.images:,} images in {run.manifest.shards:,} shards{before}; model {run.artifact.name} "
            f"({run.artifact.sha256[:12]})",
            err=True,
        )
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
            self._bars = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bars.add_task("", total=counters.images, completed=counters.done_before)
            self._bars.start()

    def moved(self, counters: SessionCounters) -> None:
        """Moves the bar, or says a line now and then."""
        if self._bars is None or self._task is None:
            super().moved(counters)
        else:
            done = counters.done_before + counters.seen
            self._bars.update(self._task, completed=done, description=_sentence(counters))

    def _show(self, counters: SessionCounters) -> None:
        done = counters.done_before + counters.seen
        echo(f"{done:,} of {counters.images:,} images  {_sentence(counters)}", err=True)

    def ended(self, run: RunDocument, counters: SessionCounters) -> None:
        """Says what was done."""
        self.__exit__()
        echo(
            f"{counters.images:,} images have their rows; {counters.done:,} in this session, in "
            f"{counters.elapsed_s:,.1f} s ({_sentence(counters, with_left=False)})"
        )

    def reported(self, place: str) -> None:
        """Says where the report is."""
        echo(f"report: {place}")


def _sentence(counters: SessionCounters, *, with_left: bool = True) -> str:
    bad = "".join(f", {count:,} {code}" for code, count in sorted(counters.bad.items()))
    left = counters.left_s
    left_text = f", {_duration(left)} left" if with_left and left is not None else ""
    return f"{counters.images_per_s:,.1f} images/s{left_text}{bad}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _figures(counters: SessionCounters) -> dict[str, Any]:
    left = counters.left_s
    return {
        "images": counters.images,
        "done": counters.done_before + counters.seen,
        "this_session": counters.seen,
        "elapsed_s": round(counters.elapsed_s, 2),
        "images_per_s": round(counters.images_per_s, 2),
        "cpu_s": round(counters.cpu_s, 2),
        "left_s": None if left is None else round(left, 1),
        "bad": dict(sorted(counters.bad.items())),
    }


def _print(document: dict[str, Any]) -> None:
    echo(json.dumps(document, ensure_ascii=False))
