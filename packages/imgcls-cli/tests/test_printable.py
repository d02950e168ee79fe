"""Text of others among our own: what is written leftwards stays where it was printed."""

from __future__ import annotations

import io

import pytest
from imgcls_cli.printable import echo, shown_on


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("line", "leftward"),
    [
        ("  3  חתול  97.84%  16.3 ms", ["חתול"]),
        ("  3  قطة منزلية (أليفة)  97.84%", ["قطة منزلية (أليفة)"]),
        ("חתול  כלב  3 of 5", ["חתול", "כלב"]),
        ("3 instead of חתול: 1 of 2", ["חתול"]),
        ("tabby  12 %", []),
        ("чашка Tasse 杯", []),
    ],
)
def test_a_label_that_runs_leftwards_is_isolated_on_a_terminal(line: str, leftward: list[str]) -> None:
    shown = shown_on(_Terminal(), line)
    assert shown.count("\u2068") == shown.count("\u2069") == len(leftward)
    assert all(f"\u2068{each}\u2069" in shown for each in leftward)
    assert shown.replace("\u2068", "").replace("\u2069", "") == line


def test_a_file_gets_the_text_alone(capsys: pytest.CaptureFixture[str]) -> None:
    echo("3  חתול  97.84%")
    assert capsys.readouterr().out == "3  חתול  97.84%\n"


def test_isolates_of_others_are_spelled_out() -> None:
    assert shown_on(_Terminal(), "a\u2068b") == "a\\u2068b"
