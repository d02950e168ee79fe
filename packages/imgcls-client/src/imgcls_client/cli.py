"""The command tree. Imports nothing that a command needs, so that `--help` answers at once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn, cast

import click
from imgcls_cli.group import LazyGroup
from imgcls_cli.program import Program
from imgcls_sdk.errors import ImgclsClientError

# name → (where it lives, what `--help` says of it)
_COMMANDS: dict[str, tuple[str, str]] = {
    "predict": ("imgcls_client.commands.predict:predict", "Classify images: files, folders, patterns, addresses."),
    "ready": ("imgcls_client.commands.ready:ready", "Ask whether a deployment takes work, or wait until it does."),
    "suite": ("imgcls_client.commands.suite:suite", "Test a deployment; exit 1 when a test fails."),
    "golden": ("imgcls_client.commands.golden:golden", "List a deployment's golden images, or save them."),
    "bench": ("imgcls_client.commands.bench:bench", "Put load on a deployment and measure every answer."),
    "monitor": ("imgcls_client.commands.monitor:monitor", "Watch a deployment, alert, and report."),
    "config": ("imgcls_client.commands.config:config", "Show the settings and where each came from."),
}


@click.group(
    cls=LazyGroup,
    lazy=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    examples=("imgcls-client ready --wait 5m", "imgcls-client predict photos/", "imgcls-client suite"),
)
@click.version_option(package_name="imgcls-client", prog_name="imgcls-client")
def _root() -> None:
    """Call and test an imgcls deployment.

    Results go to stdout, everything else to stderr. Exit codes: 0 ok, 1 the answer was no, 2 usage,
    3 cannot reach the service, 4 the service refused, 70 a bug of ours.
    """


program = Program("imgcls-client", _root, expected=ImgclsClientError)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and ends the process with its exit code.

    Args:
        arguments: of the command line, without the program's name; None takes the process's own.
    """
    # With httpx comes its own command line where it can, and with that rich and pygments: a third of the time to start.
    cast("dict[str, ModuleType | None]", sys.modules).setdefault("httpx._main", None)
    program.main(arguments)
