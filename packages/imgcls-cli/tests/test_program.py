from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import pytest
from imgcls_cli.group import LazyGroup
from imgcls_cli.program import Program


class RefusedError(Exception):
    exit_code = 4


def _program(action: Callable[[], object], **options: object) -> Program:
    @click.command()
    @click.option("--times", type=int)
    def work(times: int | None) -> object:
        """Works."""
        return action()

    return Program("imgcls-x", work, expected=RefusedError, **options)  # type: ignore[arg-type]


def _raise(error: BaseException) -> Callable[[], object]:
    def action() -> object:
        raise error

    return action


@pytest.mark.parametrize(
    ("action", "code", "said"),
    [
        (lambda: None, 0, ""),
        (lambda: 1, 1, ""),
        (_raise(RefusedError("No.")), 4, "imgcls-x: No.\n"),
        (_raise(KeyboardInterrupt()), 130, "\nimgcls-x: interrupted.\n"),
        (_raise(OSError(errno.ENOSPC, "No space left on device", "/a.pt")), 2, "imgcls-x: The disk is full."),
        (_raise(ZeroDivisionError("planted")), 70, "imgcls-x: a bug of ours, ZeroDivisionError: planted at "),
    ],
)
def test_every_outcome_is_one_sentence_and_an_exit_code(
    action: Callable[[], object], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _program(action).run([]) == code
    shown = capsys.readouterr().err
    assert shown.startswith(said) if said else shown == ""
    assert "Traceback" not in shown
    assert len(shown.strip().splitlines()) <= 1


def test_a_wrong_option_is_a_usage_error_and_help_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    program = _program(lambda: None)
    assert program.run(["--times", "many"]) == 2
    assert "'many' is not a valid integer" in capsys.readouterr().err
    assert program.run(["--help"]) == 0
    assert capsys.readouterr().out.startswith("Usage: imgcls-x [OPTIONS]")


def _how_to_go_on(arguments: Sequence[str]) -> str:
    return f" at {arguments[0]}; nothing is lost."


def _five(_error: Exception) -> int:
    return 5


def test_a_program_says_how_to_go_on_and_which_code_an_error_has(capsys: pytest.CaptureFixture[str]) -> None:
    stopped = _program(_raise(KeyboardInterrupt()), after_interrupt=_how_to_go_on)
    assert stopped.run(["--times=3"]) == 130
    assert "imgcls-x: interrupted at --times=3; nothing is lost.\n" in capsys.readouterr().err
    assert _program(_raise(RefusedError("No.")), exit_code=_five).run([]) == 5


def test_the_trace_of_a_bug_is_shown_to_who_asks_for_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMGCLS_DEBUG", "1")
    assert _program(_raise(ZeroDivisionError("planted"))).run([]) == 70
    assert "Traceback" in capsys.readouterr().err


PROGRAM = """
import sys, os, signal, click
from imgcls_cli.group import LazyGroup
from imgcls_cli.program import Program

@click.group(cls=LazyGroup, lazy={"late": ("nowhere.at_all:command", "Is imported when it runs.")})
def group(): "Groups."

@click.command()
def pages():
    for _ in range(100_000):
        click.echo("a line that nobody reads to its end")

@click.command()
def killed():
    os.kill(os.getpid(), signal.SIGTERM)

Program("imgcls-x", {"group": group, "pages": pages, "killed": killed}[sys.argv.pop(1)], expected=RuntimeError).main()
"""


def _start(*arguments: str) -> list[str]:
    return [sys.executable, "-c", PROGRAM, *arguments]


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    with subprocess.Popen(_start("pages"), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


def test_sigterm_ends_it_as_ctrl_c_does() -> None:
    done = subprocess.run(_start("killed"), capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr.strip()) == (130, "imgcls-x: interrupted.")


def test_commands_are_listed_without_importing_them() -> None:
    listed = subprocess.run(_start("group", "--help"), capture_output=True, text=True, check=True, timeout=30)
    assert "late  Is imported when it runs." in listed.stdout
    run = subprocess.run(_start("group", "late"), capture_output=True, text=True, check=False, timeout=30)
    assert run.returncode == 70
    assert "nowhere" in run.stderr
    unknown = subprocess.run(_start("group", "other"), capture_output=True, text=True, check=False, timeout=30)
    assert (unknown.returncode, "No such command 'other'" in unknown.stderr) == (2, True)


def test_help_imports_click_alone() -> None:
    code = "import sys; sys.argv = ['x', 'group', '--help']; import atexit\n"
    code += "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n" + PROGRAM
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert "imgcls_cli.program" in done.stderr
    assert "rich" not in done.stderr.split()


@click.command()
def beside() -> int:
    """Stands beside the program's own command."""
    return 3


def test_the_first_argument_may_name_a_command_beside_the_programs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(Path(__file__).parent)])
    place = f"{Path(__file__).stem}:beside"
    program = _program(lambda: 1, subcommands={"beside": place})
    assert program.run(["beside"]) == 3
    assert program.run([]) == 1


def test_a_shell_is_told_how_a_line_could_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    group = LazyGroup(name="x", lazy={"fit": ("nowhere:fit", "Trains.")}, commands={"f": click.Command("f")})
    for name, value in {
        "_IMGCLS_X_COMPLETE": "bash_complete",
        "COMP_WORDS": "imgcls-x --he",
        "COMP_CWORD": "1",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        Program("imgcls-x", group, expected=RefusedError).run([])
    assert "--help" in capsys.readouterr().out
