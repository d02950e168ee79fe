"""`imgcls-deploy`: picks a command. Importing it imports neither HTTP nor the checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn

import click
from imgcls_cli.group import LazyGroup
from imgcls_cli.program import Program

from imgcls_deploy.errors import DeployError

_COMMANDS: Final = {
    "check": "Check cerebrium.toml, the Dockerfile and the files that they name.",
    "upload": "List the files that `cerebrium deploy` would send, with their sizes.",
    "cost": "Price the hardware of cerebrium.toml.",
    "wait": "Wait until the service at an address is ready, with the artifact that was deployed.",
    "releases": "Say what a tag releases.",
}


@click.group(
    cls=LazyGroup,
    lazy={name: (f"imgcls_deploy.commands.{name}:command", summary) for name, summary in _COMMANDS.items()},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    examples=("imgcls-deploy check", "imgcls-deploy wait URL --artifact models/pets.onnx --timeout 5m"),
    epilog="Exit codes: 0 ok, 1 the answer was no, 2 usage, 70 a bug of ours, 130 interrupted.",
)
@click.version_option(package_name="imgcls-deploy")
def deploy_command() -> None:
    """Check a deployment before it is made, wait for it, and say what a tag releases."""


PROGRAM: Final = Program("imgcls-deploy", deploy_command, expected=DeployError)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and ends the process with its exit code.

    Args:
        arguments: of the command line, without the program's name; None takes the process's own.
    """
    PROGRAM.main(arguments)
