"""`imgcls-deploy releases`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click
from imgcls_cli.helped import HelpedCommand
from imgcls_cli.printable import echo

from imgcls_deploy.commands.repository import root_option
from imgcls_deploy.releases import find_release


@click.command(
    "releases",
    cls=HelpedCommand,
    examples=(
        "imgcls-deploy releases imgcls-core-v0.2.0",
        "imgcls-deploy releases imgcls-core-v0.2.0 --notes",
    ),
)
@click.argument("tag")
@root_option
@click.option("--notes", is_flag=True, help="Print the changelog's section instead of the JSON document.")
def command(tag: str, root: Path, *, notes: bool) -> None:
    """Say what TAG (like imgcls-core-v0.2.0) releases; exit code 1 when the repository does not agree with it."""
    release = find_release(tag, root)
    echo(release.notes if notes else json.dumps(asdict(release)))
