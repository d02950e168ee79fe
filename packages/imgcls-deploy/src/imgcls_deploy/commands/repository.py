"""What several commands are told: the repository, the plan, and a configuration that has passed its checks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from imgcls_cerebrium.hardware import Plan
from imgcls_cli.printable import echo

from imgcls_deploy.errors import DeployError

if TYPE_CHECKING:
    from imgcls_cerebrium.config import CerebriumConfig

root_option = click.option(
    "--root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    help="Folder with cerebrium.toml, from which `cerebrium deploy` is run; default: this one.",
)
plan_option = click.option(
    "--plan", type=click.Choice(["hobby", "standard"]), default="hobby", show_default=True, help="Whose limits hold."
)


def checked_config(root: Path, plan: Plan, *, complete: bool) -> CerebriumConfig:
    """Gives the configuration, or prints one line for each fault and ends the command with 1.

    Args:
        root: folder with `cerebrium.toml`.
        plan: whose limits hold.
        complete: whether files that are made and not committed (the artifact) must be there.
    """
    from imgcls_cerebrium.config import ConfigError, read_config
    from imgcls_cerebrium.cross_checks import find_faults

    try:
        config = read_config(root / "cerebrium.toml")
        faults = find_faults(config, root, plan=plan, complete=complete)
    except ConfigError as error:
        faults = error.faults
    else:
        if not faults:
            return config
    for fault in faults:
        echo(fault, err=True)
    raise click.exceptions.Exit(DeployError.exit_code)
