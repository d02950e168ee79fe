"""`imgcls-batch`: picks a command, turns every outcome into an exit code. Importing it imports no runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn

import click
from imgcls_cli.group import LazyGroup
from imgcls_cli.program import Program
from imgcls_core.errors import ImgclsError

_COMMANDS: Final = {
    "run": "Classify every image of SOURCE: one row each in the Parquet files of OUTPUT; goes on after any stop.",
    "stats": "Count what rows say: classes, certainty, images without an answer, drift; --html writes a page.",
    "diff": "Compare the rows of two models over the same images: agreement, and what changed.",
    "pick": "List the images of which the model is least certain, of every class some, for labelling.",
}


@click.group(
    cls=LazyGroup,
    lazy={name: (f"imgcls_batch.commands.{name}:command", summary) for name, summary in _COMMANDS.items()},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True},
    examples=(
        "imgcls-batch run photos/ out/ --model everyday100.onnx",
        "imgcls-batch stats out/ --html stats.html",
        "imgcls-batch pick out/ --uncertain 500 --list label-these.csv",
    ),
    epilog="Exit codes: 0 ok, 1 the answer was no (run: more bad images than --max-bad; diff: less agreement than "
    "--min-agreement), 2 usage, 3 OUTPUT or the cluster cannot be reached, 4 refused (another model or other options "
    "in OUTPUT, or a machine that answers differently), 5 a shard could not be finished, 70 a bug of ours, "
    "130 interrupted.",
)
@click.version_option(package_name="imgcls-batch")
def batch_command() -> None:
    """Classify any number of images with an imgcls artifact, and look at what came out."""


def _after_interrupt(arguments: Sequence[str]) -> str:
    return ". The same command goes on where it stopped." if list(arguments[:1]) == ["run"] else ""


PROGRAM: Final = Program("imgcls-batch", batch_command, expected=ImgclsError, after_interrupt=_after_interrupt)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and ends the process with its exit code.

    Args:
        arguments: of the command line, without the program's name; None takes the process's own.
    """
    PROGRAM.main(arguments)
