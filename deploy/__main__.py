"""`python -m deploy`: checks a deployment on Cerebrium before it is made, and shows what would be sent."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import click

from deploy.cerebrium_config import Cerebrium, ConfigError, read_config
from deploy.cross_checks import find_faults
from deploy.hardware import Plan
from deploy.upload import files_to_upload

EXIT_FAULTS = 1

_root = click.option(
    "--root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    help="Folder with cerebrium.toml, from which `cerebrium deploy` is run; default: this one.",
)
_plan = click.option(
    "--plan", type=click.Choice(["hobby", "standard"]), default="hobby", show_default=True, help="Whose limits hold."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Checks a deployment on Cerebrium before it is made; needs no account."""


@main.command()
@_root
@_plan
def check(root: Path, plan: Plan) -> None:
    """Checks cerebrium.toml, the Dockerfile and the files that they name; exit code 1 when something is wrong."""
    config = _checked(root, plan, complete=False)
    hardware, scaling = config.hardware, config.scaling
    click.echo(
        f"cerebrium.toml: ok. App {config.deployment.name!r} on {' or '.join(hardware.kinds)}, "
        f"{hardware.cpu:g} processors, {hardware.memory:g} GB, {scaling.min_replicas}-{scaling.max_replicas} replicas."
    )


@main.command()
@_root
@_plan
@click.option("--zip", "zip_path", type=click.Path(path_type=Path), help="Also write them to this file, as it is sent.")
def upload(root: Path, plan: Plan, zip_path: Path | None) -> None:
    """Lists the files that `cerebrium deploy` would send, with their sizes; all that the build needs must be there."""
    config = _checked(root, plan, complete=True)
    paths = files_to_upload(root, include=config.deployment.include, exclude=config.deployment.exclude)
    for path in paths:
        click.echo(f"{(root / path).stat().st_size:>11,}  {path}")
    total = sum((root / path).stat().st_size for path in paths)
    click.echo(f"{total:>11,}  bytes in {len(paths)} files", err=True)
    if zip_path is not None:
        with zipfile.ZipFile(zip_path, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in paths:
                archive.write(root / path, path)
        click.echo(f"{zip_path.stat().st_size:>11,}  bytes in {zip_path}", err=True)


def _checked(root: Path, plan: Plan, *, complete: bool) -> Cerebrium:
    try:
        config = read_config(root / "cerebrium.toml")
        if faults := find_faults(config, root, plan=plan, complete=complete):
            raise ConfigError(faults)
    except ConfigError as error:
        for fault in error.faults:
            click.echo(fault, err=True)
        sys.exit(EXIT_FAULTS)
    return config


if __name__ == "__main__":
    main()
