"""The suite's results as a table that grows row by row while it runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from imgcls_cli.printable import shown_on
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from imgcls_client.suite.check import Check, Result

_STYLES = {"passed": "green", "failed": "bold red", "skipped": "yellow"}
# Where output is not a terminal nothing is cut off or wrapped for one.
_WIDE = 200
# What was seen stands in a column of its own where that has so much room, else below.
_LEAST_SEEN = 24


class _Results(Console):
    def on_broken_pipe(self) -> None:
        """Leaves a reader that has seen enough to `Program`; rich would end the process with 1, our "no"."""
        raise  # noqa: PLE0704 - rich calls it while it handles the error


def _console() -> Console:
    """Gives a console for results; colour only on a terminal."""
    found = _Results()
    return found if found.is_terminal else _Results(width=_WIDE)


def show_while_running(checks: Sequence[Check], results: Iterable[Result]) -> list[Result]:
    """Prints each result as it comes and gives them all back; on a terminal the test that runs is named below them."""
    screen, running, done = _console(), iter(results), list[Result]()
    widths = (max(len(each.group) for each in checks), max(len(each.name) for each in checks), 7, len("60000 ms"))
    has_room = screen.width - sum(widths) - len(widths) >= _LEAST_SEEN

    def show(*cells: str | Text) -> None:
        # Each row is a table whose columns are as wide as the longest names, so that rows printed apart line up.
        row = Table(box=None, pad_edge=False, show_header=False)
        for widest in widths[:-1]:
            row.add_column(width=widest, no_wrap=True)
        row.add_column(width=widths[-1], justify="right", no_wrap=True)
        if has_room:
            row.add_column(overflow="fold")
            row.add_row(*cells)
            screen.print(row)
        else:
            row.add_row(*cells[:-1])
            screen.print(row, Padding(cells[-1], (0, 0, 0, 2)))

    show(*(Text(name, style="bold") for name in ("group", "test", "result", "time", "what was seen")))
    with screen.status("") as status:
        for number, check in enumerate(checks, 1):
            status.update(f"{check.name} ({number} of {len(checks)})")
            result = next(running)
            done.append(result)
            outcome = Text(result.outcome, style=_STYLES[result.outcome])
            time = f"{result.elapsed_s * 1000:.0f} ms"
            show(result.check.group, result.check.name, outcome, time, Text(shown_on(screen.file, result.detail)))
    return done


def list_checks(checks: Iterable[Check]) -> None:
    """Prints what each check proves."""
    table = Table(box=None, pad_edge=False)
    listed = list(checks)
    # Names are typed after --only: they are never cut.
    table.add_column("group", min_width=max(len(each.group) for each in listed), no_wrap=True)
    table.add_column("test", min_width=max(len(each.name) for each in listed), no_wrap=True)
    table.add_column("what it proves")
    for check in listed:
        table.add_row(check.group, check.name, check.proves)
    _console().print(table)
