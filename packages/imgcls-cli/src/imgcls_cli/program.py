"""The one place where a command's outcome becomes a sentence on standard error and an exit code."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn

import click

from imgcls_cli.files import FileWriteError
from imgcls_cli.group import load_command
from imgcls_cli.printable import echo

OK: Final = 0
USAGE: Final = 2
BUG: Final = 70
INTERRUPTED: Final = 130

_DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def _own_exit_code(error: Exception) -> int:
    return getattr(error, "exit_code", USAGE)


def _nothing_more(_arguments: Sequence[str]) -> str:
    return ""


@dataclass(frozen=True)
class Program:
    """A command that a shell starts.

    Args:
        name: of the program, with which its sentences begin.
        command: the command, or the group of commands.
        expected: base of the errors that are raised on purpose: their text is the sentence.
        subcommands: name → place of commands that stand beside one that is no group: the first argument chooses.
        exit_code: of an expected error.
        after_interrupt: given the arguments, what follows on "interrupted", such as how to go on.
        stops_on_sigterm: whether SIGTERM, a service manager's way to stop, cleans up as Ctrl-C does.
    """

    name: str
    command: click.Command
    expected: type[Exception]
    subcommands: Mapping[str, str] = field(default_factory=dict[str, str])
    exit_code: Callable[[Exception], int] = _own_exit_code
    after_interrupt: Callable[[Sequence[str]], str] = _nothing_more
    stops_on_sigterm: bool = True

    def main(self, arguments: Sequence[str] | None = None) -> NoReturn:
        """Runs the command and ends the process with its exit code.

        Args:
            arguments: of the command line, without the program's name; None takes the process's own.
        """
        if arguments is None and self.stops_on_sigterm:
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        sys.exit(self.run(sys.argv[1:] if arguments is None else arguments))

    def run(self, arguments: Sequence[str]) -> int:
        """Runs the command and gives its exit code; every failure becomes one sentence on standard error.

        Args:
            arguments: of the command line, without the program's name.
        """
        given = list(arguments)
        for stream in (sys.stdout, sys.stderr):
            _write_any_text(stream)
        try:
            ended_with = self._invoke(list(given))
            if sys.stdout is not None:
                sys.stdout.flush()
        except click.exceptions.Exit as stop:
            return stop.exit_code
        except click.ClickException as error:
            said = io.StringIO()
            error.show(said)
            echo(said.getvalue(), err=True, nl=False)
            return error.exit_code
        except (KeyboardInterrupt, click.Abort):
            warnings.simplefilter("ignore", RuntimeWarning)  # of what was about to be awaited
            echo("", err=True)  # the terminal has shown ^C
            return self._say(f"interrupted{self.after_interrupt(given) or '.'}", INTERRUPTED)
        except self.expected as error:
            return self._say(str(error), self.exit_code(error))
        except FileWriteError as error:
            return self._say(str(error), self.exit_code(error))
        except BrokenPipeError:
            # Whoever read our output (`| head`) has seen enough; stdout is given away so that closing it cannot fail.
            sys.stdout = None
            return OK
        except Exception as error:  # noqa: BLE001 - the one broad handler of a process: a user never meets a traceback
            return self._fail(error)
        return ended_with if isinstance(ended_with, int) else OK

    def _invoke(self, given: list[str]) -> object:
        command, name = self.command, self.name
        if given and given[0] in self.subcommands:
            command, name = load_command(self.subcommands[given[0]]), f"{name} {given[0]}"
            given = given[1:]
        if f"_{self.name.replace('-', '_').upper()}_COMPLETE" in os.environ:
            return self._completing().main(args=given, prog_name=name)  # a shell asks how the line could go on
        # Not `command.main`: it would end the process with 1 when nobody reads the output any more.
        with command.make_context(name, given) as context:
            return command.invoke(context)

    def _completing(self) -> click.Command:
        """The command as a shell's completion sees it: its subcommands beside its options."""
        if not self.subcommands:
            return self.command
        options = [one for one in self.command.params if isinstance(one, click.Option)]
        found = {name: load_command(place) for name, place in self.subcommands.items()}
        return click.Group(self.name, params=options, commands=found)

    def _fail(self, error: Exception) -> int:
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            file = f" {str(error.filename)!r} cannot be written." if error.filename else ""
            return self._say(f"The disk is full.{file} Make room and run the command again.", self.exit_code(error))
        if os.environ.get("IMGCLS_DEBUG"):
            echo("".join(traceback.format_exception(error)), err=True, nl=False)
        advice = "Please report it with this line; IMGCLS_DEBUG=1 shows the trace."
        return self._say(f"a bug of ours, {describe_bug(error)}. {advice}", BUG)

    def _say(self, sentence: str, exit_code: int) -> int:
        echo(f"{self.name}: {sentence}", err=True)
        return exit_code


def _write_any_text(stream: object) -> None:
    """Lets a stream of another encoding than UTF-8 take every text: "?" for what a terminal lacks, UTF-8 elsewhere."""
    if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower().replace("-", "") != "utf8":
        stream.reconfigure(encoding=stream.encoding if stream.isatty() else "utf-8", errors="replace")


def describe_bug(error: BaseException) -> str:
    """Says what broke and where, in one line."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
    return f"{type(error).__name__}: {error}{place}"
