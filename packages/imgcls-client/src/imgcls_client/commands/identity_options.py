"""The options that say which model a deployment should run, and where the right answers come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from imgcls_client.errors import SettingsError
from imgcls_client.verify.truth import Truth

_Command = TypeVar("_Command", bound=Callable[..., Any])


def identity_options(command: _Command) -> _Command:
    """Gives a command `--artifact`, `--model-sha256`, `--signed-by` and `--model`."""
    options = (
        click.option(
            "--artifact",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Your own copy of the model: right answers come from it, not from the deployment (extra `verify`).",
        ),
        click.option("--model-sha256", help="Fail when another model answers; the beginning is enough."),
        click.option(
            "--signed-by", multiple=True, metavar="KEY_ID", help="Fail when this key has not signed the model."
        ),
        click.option("--model", help="Ask this model instead of the service's default one."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def truth_of(artifact: Path | None) -> Truth | None:
    """Loads the artifact, where there is one.

    Raises:
        SettingsError: the extra is not installed, or the file cannot be used.
    """
    if artifact is None:
        return None
    try:
        from imgcls_client.verify.artifact import ArtifactTruth
    except ImportError as error:
        raise SettingsError(
            f"--artifact needs the extra `verify` ({error.name} is missing): `pip install imgcls-client[verify]`."
        ) from error
    return ArtifactTruth(artifact)
