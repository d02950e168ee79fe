"""The suite's results as a table on the terminal, growing while it runs."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from imgcls_client.suite.check import Check, Result

__all__ = ["list_checks", "show_while_running"]

STYLES = {"passed": "green", "failed": "bold red", "skipped": "yellow"}
# Where output is not a terminal nothing is cut off or wrapped for one.
WIDE = 200


def console() -> Console:
    """Give a console for results; colour only on a terminal."""
    found = Console()
    return found if found.is_terminal else Console(width=WIDE)


def results_table(results: Sequence[Result], *, running: str | None = None) -> Table:
    """Lay the results out."""
    table = Table(box=None, pad_edge=False)
    for column in ("group", "test", "result"):
        table.add_column(column, no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("what was seen", overflow="fold")
    for result in results:
        table.add_row(
            result.check.group,
            result.check.name,
            Text(result.outcome, style=STYLES[result.outcome]),
            f"{result.elapsed_s * 1000:.0f} ms",
            Text(result.detail),
        )
    if running is not None:
        table.add_row("", running, Text("running", style="dim"), "", "")
    return table


def show_while_running(checks: Sequence[Check], results: Iterable[Result]) -> list[Result]:
    """Show results as they come and give them all back; without a terminal the table is printed at the end."""
    screen = console()
    done: list[Result] = []
    if not screen.is_terminal:
        done.extend(results)
        screen.print(results_table(done))
        return done
    with Live(results_table(done), console=screen, refresh_per_second=8, vertical_overflow="visible") as live:
        for result in results:
            done.append(result)
            running = checks[len(done)].name if len(done) < len(checks) else None
            live.update(results_table(done, running=running))
    return done


def list_checks(checks: Iterable[Check]) -> None:
    """Print what each check proves."""
    table = Table(box=None, pad_edge=False)
    for column in ("group", "test", "what it proves"):
        table.add_column(column, no_wrap=True)
    for check in checks:
        table.add_row(check.group, check.name, check.proves)
    console().print(table)
