"""`imgcls-train`: picks a command, turns every outcome into an exit code. Importing it imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn

import click
from imgcls_cli.group import LazyGroup
from imgcls_cli.program import Program
from imgcls_core.errors import ImgclsError

_COMMANDS: Final = {
    "data": "Report on a dataset before training: sizes, colours, duplicates, leaks, damaged files.",
    "fit": "Train a network, from scratch or from pretrained weights; resumes where it was stopped.",
    "evaluate": "Accuracy, confusion and calibration of a trained model on a split, as tables and images.",
    "publish": "Put an artifact and its report into a model store, unless it is worse than what is there.",
    "store": "List, roll back or prune the versions in a model store.",
    "pull": "Copy the latest models of a store into a folder that imgcls-serve can serve.",
}


@click.group(
    cls=LazyGroup,
    lazy={name: (f"imgcls_train.commands.{name}:command", summary) for name, summary in _COMMANDS.items()},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True},
    examples=(
        "imgcls-train data flowers",
        "imgcls-train fit flowers --recipe finetune",
        "imgcls-train publish models/flowers.onnx ./store --dataset flowers",
    ),
    epilog="Exit codes: 0 ok, 1 the answer was no (publish: the new model is worse), 2 usage, 3 a download or the "
    "model store cannot be reached, 70 a bug of ours.",
)
@click.version_option(package_name="imgcls-train")
def train_command() -> None:
    """Train image classifiers for imgcls: from a dataset to an artifact in a model store."""


def _after_interrupt(arguments: Sequence[str]) -> str:
    return ". The same command goes on from its last checkpoint." if list(arguments[:1]) == ["fit"] else ""


PROGRAM: Final = Program("imgcls-train", train_command, expected=ImgclsError, after_interrupt=_after_interrupt)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and ends the process with its exit code.

    Args:
        arguments: of the command line, without the program's name; None takes the process's own.
    """
    PROGRAM.main(arguments)
