"""The suite's results as a table that grows row by row while it runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from imgcls_cli.printable import printable
from rich.console import Console
from rich.table import Table
from rich.text import Text

from imgcls_client.suite.check import Check, Result

_STYLES = {"passed": "green", "failed": "bold red", "skipped": "yellow"}
_TIME_WIDTH = len("60000 ms")
# Where output is not a terminal nothing is cut off or wrapped for one.
_WIDE = 200


def _console() -> Console:
    """Gives a console for results; colour only on a terminal."""
    found = Console()
    return found if found.is_terminal else Console(width=_WIDE)


def _one_row(checks: Sequence[Check], *, has_header: bool) -> Table:
    """Gives a table whose columns are as wide as the longest names, so that rows printed apart line up."""
    table = Table(box=None, pad_edge=False, show_header=has_header)
    table.add_column("group", width=max((len(check.group) for check in checks), default=5), no_wrap=True)
    table.add_column("test", width=max((len(check.name) for check in checks), default=4), no_wrap=True)
    table.add_column("result", width=max(map(len, _STYLES)), no_wrap=True)
    table.add_column("time", width=_TIME_WIDTH, justify="right", no_wrap=True)
    table.add_column("what was seen", overflow="fold")
    return table


def show_while_running(checks: Sequence[Check], results: Iterable[Result]) -> list[Result]:
    """Prints each result as it comes and gives them all back; on a terminal the test that runs is named below them."""
    screen = _console()
    screen.print(_one_row(checks, has_header=True))
    done: list[Result] = []
    with screen.status("") as status:
        status.update(_running_text(checks, done))
        for result in results:
            done.append(result)
            row = _one_row(checks, has_header=False)
            row.add_row(
                result.check.group,
                result.check.name,
                Text(result.outcome, style=_STYLES[result.outcome]),
                f"{result.elapsed_s * 1000:.0f} ms",
                Text(printable(result.detail)),
            )
            screen.print(row)
            status.update(_running_text(checks, done))
    return done


def _running_text(checks: Sequence[Check], done: Sequence[Result]) -> str:
    return f"{checks[len(done)].name} ({len(done) + 1} of {len(checks)})" if len(done) < len(checks) else ""


def list_checks(checks: Iterable[Check]) -> None:
    """Prints what each check proves."""
    table = Table(box=None, pad_edge=False)
    for column in ("group", "test", "what it proves"):
        table.add_column(column, no_wrap=True)
    for check in checks:
        table.add_row(check.group, check.name, check.proves)
    _console().print(table)
