"""What `--help` shows, what a mistyped command is told, and how lengths of time are written."""

from __future__ import annotations

import click
import pytest
from imgcls_cli.durations import DURATION, DURATION_OR_ZERO
from imgcls_cli.group import LazyGroup
from imgcls_cli.helped import HelpedCommand, HelpedOption
from imgcls_cli.program import Program
from imgcls_cli.width import fit_parts, shorten


@click.command(cls=HelpedCommand, examples=("tool fit photos/", "tool fit --url http://127.0.0.1:8192  # elsewhere"))
@click.option("--url", cls=HelpedOption, group="Connection", help="Where it is.")
@click.option("--epochs", type=int, help="How often.")
@click.option("--for", "for_s", type=DURATION, help="How long.")
@click.option("--warm-up", "warm_up_s", type=DURATION_OR_ZERO, help="Before it.")
def fit(url: str | None, epochs: int | None, for_s: float | None, warm_up_s: float | None) -> None:
    """Train a network."""
    click.echo(f"{for_s} {warm_up_s}")


def tool(*arguments: str) -> int:
    lazy = {"fit": (f"{__name__}:fit", "Train a network."), "evaluate": (f"{__name__}:fit", "Measure one.")}
    return Program("tool", LazyGroup(name="tool", lazy=lazy), expected=OSError).run(arguments)


def test_help_shows_options_in_groups_and_ends_with_examples_as_they_are_typed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert Program("tool fit", fit, expected=OSError).run(["--help"]) == 0
    shown = capsys.readouterr().out
    own, connection = shown.split("Options:")[1].split("Connection:")
    assert "--epochs" in own
    assert "--url" not in own
    assert "--url" in connection
    assert shown.endswith("Examples:\n  tool fit photos/\n  tool fit --url http://127.0.0.1:8192  # elsewhere\n")


def test_a_mistyped_command_is_told_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool("evalute") == 2
    assert "No such command 'evalute'" in (shown := capsys.readouterr().err)
    assert "Did you mean 'evaluate'?" in shown


@pytest.mark.parametrize(
    ("text", "length_s"),
    [("90", 90), ("500ms", 0.5), ("3s", 3), ("5m", 300), ("5 min", 300), ("1.5h", 5400), ("7D", 604800)],
)
def test_a_length_of_time_is_a_number_with_a_unit(
    capsys: pytest.CaptureFixture[str], text: str, length_s: float
) -> None:
    Program("tool fit", fit, expected=OSError).run(["--for", text, "--warm-up", "0"])
    assert capsys.readouterr().out == f"{float(length_s)} 0.0\n"


@pytest.mark.parametrize("text", ["soon", "-3s", "3 weeks", "0", ""])
def test_what_is_no_length_of_time_is_refused_with_examples(capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert Program("tool fit", fit, expected=OSError).run(["--for", text]) == 2
    assert "write it as 60s, 5m, 1.5h or 7d" in capsys.readouterr().err


@pytest.mark.parametrize(("columns", "lines"), [("40", 3), ("0", 1), ("", 1)])
def test_a_line_is_broken_between_its_parts_where_the_terminal_ends(
    monkeypatch: pytest.MonkeyPatch, columns: str, lines: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    parts = ["2026-11-21 06:39:34", "golden 2/2", "a part that fills a line of its own", "p95 3 ms"]
    shown = fit_parts(parts, indent="    ")
    assert len(shown.splitlines()) == lines
    assert [part for part in parts if part not in shown] == []


def test_a_text_that_is_too_long_is_cut_at_the_end_that_says_less() -> None:
    assert shorten("photos/a.png", 12) == "photos/a.png"
    assert shorten("electric locomotive", 10) == "electric …"
    assert shorten("photos/2026/tench.jpg", 10, keeps_end=True) == "…tench.jpg"
