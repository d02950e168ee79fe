"""The suite's results as a table that grows row by row while it runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from imgcls_cli.printable import shown_on
from rich.console import Console
from rich.table import Table
from rich.text import Text

from imgcls_client.suite.check import Check, Result

_STYLES = {"passed": "green", "failed": "bold red", "skipped": "yellow"}
# Where output is not a terminal nothing is cut off or wrapped for one.
_WIDE = 200


def _console() -> Console:
    """Gives a console for results; colour only on a terminal."""
    found = Console()
    return found if found.is_terminal else Console(width=_WIDE)


def show_while_running(checks: Sequence[Check], results: Iterable[Result]) -> list[Result]:
    """Prints each result as it comes and gives them all back; on a terminal the test that runs is named below them."""
    screen, running, done = _console(), iter(results), list[Result]()

    def show(*cells: str | Text) -> None:
        # Each row is a table whose columns are as wide as the longest names, so that rows printed apart line up.
        row = Table(box=None, pad_edge=False, show_header=False)
        for widest in (max(len(each.group) for each in checks), max(len(each.name) for each in checks), 7):
            row.add_column(width=widest, no_wrap=True)
        row.add_column(width=len("60000 ms"), justify="right", no_wrap=True)
        row.add_column(overflow="fold")
        row.add_row(*cells)
        screen.print(row)

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
    for column in ("group", "test", "what it proves"):
        table.add_column(column, no_wrap=True)
    for check in checks:
        table.add_row(check.group, check.name, check.proves)
    _console().print(table)
