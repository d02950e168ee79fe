from __future__ import annotations

import io
import sys

import pytest
from imgcls_cli.progress import Progress, SilentProgress
from imgcls_cli.terminal import TerminalProgress, show_items, show_time


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("progress", [SilentProgress(), TerminalProgress()])
def test_work_is_passed_on_whether_it_is_shown_or_not(progress: Progress) -> None:
    progress.step("Reading")
    progress.note("A note.")
    assert list(progress.track([1, 2, 3], "counting", 3)) == [1, 2, 3]
    with progress.transfer("Downloading weights") as transfer:
        transfer.update(10, 20)
        transfer.advance(5)


def test_without_a_terminal_a_long_transfer_is_one_line_and_a_short_one_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = TerminalProgress()
    progress.step("Reading [bold]a[/bold].png")
    for size_bytes in (2_500_000, 10, None):
        with progress.transfer(f"Uploading {size_bytes}", size_bytes):
            pass
    assert capsys.readouterr().err.splitlines() == [
        "Reading [bold]a[/bold].png …",
        "Uploading 2500000 (2.5 MB) …",
        "Uploading None …",
    ]


def test_on_a_terminal_there_are_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := _Terminal())
    assert list(show_items(range(3), "classifying [red]", 3)) == [0, 1, 2]
    with show_time(60, "measuring"):
        pass
    with TerminalProgress().transfer("Uploading a.onnx", 100) as transfer:
        transfer.advance(100)
    for text in ("classifying [red]", "measuring", "Uploading a.onnx"):
        assert text in terminal.getvalue()
    before = terminal.getvalue()
    assert list(show_items(range(3), "hidden", 3, shown=False)) == [0, 1, 2]
    assert terminal.getvalue() == before
