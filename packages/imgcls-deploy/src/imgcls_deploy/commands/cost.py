"""`imgcls-deploy cost`."""

from __future__ import annotations

from pathlib import Path

import click
from imgcls_cerebrium.hardware import Plan
from imgcls_cli.helped import HelpedCommand
from imgcls_cli.printable import echo

from imgcls_deploy.commands.repository import checked_config, plan_option, root_option


@click.command(
    "cost",
    cls=HelpedCommand,
    examples=(
        "imgcls-deploy cost 20",
        "imgcls-deploy cost 20 --busy 0.3",
    ),
)
@root_option
@plan_option
@click.argument("images_per_s", type=click.FloatRange(min=0, min_open=True))
@click.option(
    "--busy", type=click.FloatRange(min=0, max=1, min_open=True), default=0.5, show_default=True, help="Share of time."
)
def command(root: Path, plan: Plan, images_per_s: float, busy: float) -> None:
    """Price the hardware of cerebrium.toml at IMAGES_PER_S a replica, as `imgcls-client bench` measures it."""
    from imgcls_cerebrium.cost import cost_of

    config = checked_config(root, plan, complete=False)
    protected = config.scaling.compute_tier == "protected"
    echo(f"{'compute':<20}{'$ an hour':>12}{'$ for 30 days':>16}{'$ a million images':>22}")
    for kind in config.hardware.kinds:
        cost = cost_of(config.hardware, kind, images_per_s=images_per_s, utilisation=busy, protected=protected)
        echo(f"{kind:<20}{cost.hour:>12.3f}{cost.month:>16.0f}{cost.million_images:>22.2f}")
