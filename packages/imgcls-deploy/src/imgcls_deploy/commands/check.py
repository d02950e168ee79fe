"""`imgcls-deploy check`."""

from __future__ import annotations

from pathlib import Path

import click
from imgcls_cerebrium.hardware import Plan
from imgcls_cli.helped import HelpedCommand
from imgcls_cli.printable import echo

from imgcls_deploy.commands.repository import checked_config, plan_option, root_option


@click.command(
    "check",
    cls=HelpedCommand,
    examples=(
        "imgcls-deploy check",
        "imgcls-deploy check --root ~/my-service --plan standard",
    ),
)
@root_option
@plan_option
def command(root: Path, plan: Plan) -> None:
    """Check cerebrium.toml, the Dockerfile and the files that they name; exit code 1 when something is wrong."""
    config = checked_config(root, plan, complete=False)
    hardware, scaling = config.hardware, config.scaling
    echo(
        f"cerebrium.toml: ok. App {config.deployment.name!r} on {' or '.join(hardware.kinds)}, "
        f"{hardware.cpu:g} processors, {hardware.memory:g} GB, {scaling.min_replicas}-{scaling.max_replicas} replicas."
    )
