"""`imgcls-train`: picks a command, turns every outcome into an exit code. Importing it imports no torch."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Final, NoReturn

import click

_COMMANDS: Final = {
    "data": "Report on a dataset before training: sizes, colours, duplicates, leaks, damaged files.",
    "fit": "Train a network, from scratch or from pretrained weights; resumes where it was stopped.",
    "evaluate": "Accuracy, confusion and calibration of a trained model on a split, as tables and pictures.",
    "publish": "Put an artifact and its report into a model store, unless it is worse than what is there.",
    "pull": "Copy the latest models of a store into a folder that imgcls-serve can serve.",
}
_INTERRUPTED: Final = 130
_BUG: Final = 70


class _Commands(click.Group):
    """Loads a command when it is asked for, so that `--help` waits for none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Gives the names, in the order in which a model passes through them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports one command."""
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"imgcls_train.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True},
    epilog="Exit codes: 0 ok, 1 the answer was no (publish: the new model is worse), 2 usage, 3 a download or the "
    "model store cannot be reached, 70 a bug of ours.",
)
@click.version_option(package_name="imgcls-train")
def train_command() -> None:
    """Train image classifiers for imgcls: from a dataset to an artifact in a model store."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and turns every outcome into an exit code.

    Args:
        arguments: of the command line, without the program's name; None takes the process's own.
    """
    from imgcls_core.errors import ImgclsError

    given = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None:
        # A service manager's way to stop: clean up as for Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(train_command.main(args=given, prog_name="imgcls-train", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except ImgclsError as error:
        click.echo(f"imgcls-train: {error}", err=True)
        sys.exit(getattr(error, "exit_code", 2))
    except (KeyboardInterrupt, click.Abort):
        onward = " The same command goes on from its last checkpoint." if given[:1] == ["fit"] else ""
        click.echo(f"imgcls-train: interrupted.{onward}", err=True)
        sys.exit(_INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the one place where an unforeseen error becomes a sentence
        if os.environ.get("IMGCLS_DEBUG"):
            traceback.print_exc()
        click.echo(
            f"imgcls-train: a bug of ours, {type(error).__name__}: {error}. Set IMGCLS_DEBUG=1 for the trace.", err=True
        )
        sys.exit(_BUG)
