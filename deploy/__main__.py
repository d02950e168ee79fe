"""`python -m deploy`: checks a deployment before it is made, waits for it, and says what a tag releases."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zipfile
from dataclasses import asdict
from pathlib import Path

import click

from deploy.cerebrium_config import Cerebrium, ConfigError, read_config
from deploy.cost import cost_of
from deploy.cross_checks import find_faults
from deploy.hardware import Plan
from deploy.releases import ReleaseError, find_release
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
    """Checks a deployment before it is made, waits for it, and says what a tag releases."""


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


@main.command()
@click.argument("url")
@click.option("--artifact", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Must be what answers.")
@click.option("--timeout-s", type=click.FloatRange(min=0), default=900.0, show_default=True, help="How long to wait.")
def wait(url: str, artifact: Path | None, timeout_s: float) -> None:
    """Waits until the service at URL is ready; exit code 1 when it does not get so in time.

    IMGCLS_PLATFORM_TOKEN or, without it, IMGCLS_API_KEY is sent as bearer token.
    """
    from deploy.readiness import wait_until_ready  # noqa: PLC0415 - HTTP costs 100 ms, which no other command needs

    token = os.environ.get("IMGCLS_PLATFORM_TOKEN") or os.environ.get("IMGCLS_API_KEY")
    sha256 = hashlib.sha256(artifact.read_bytes()).hexdigest() if artifact else None
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if not wait_until_ready(url, headers=headers, sha256=sha256, timeout_s=timeout_s, say=click.echo):
        click.echo(f"It did not get ready within {timeout_s:g} s.", err=True)
        sys.exit(EXIT_FAULTS)


@main.command()
@_root
@_plan
@click.argument("images_per_s", type=click.FloatRange(min=0, min_open=True))
@click.option(
    "--busy", type=click.FloatRange(min=0, max=1, min_open=True), default=0.5, show_default=True, help="Share of time."
)
def cost(root: Path, plan: Plan, images_per_s: float, busy: float) -> None:
    """Prices the hardware of cerebrium.toml at IMAGES_PER_S a replica, as `imgcls-client bench` measures it."""
    config = _checked(root, plan, complete=False)
    protected = config.scaling.compute_tier == "protected"
    click.echo(f"{'compute':<20}{'$ an hour':>12}{'$ for 30 days':>16}{'$ a million images':>22}")
    for kind in config.hardware.kinds:
        found = cost_of(config.hardware, kind, images_per_s=images_per_s, utilisation=busy, protected=protected)
        click.echo(f"{kind:<20}{found.hour:>12.3f}{found.month:>16.0f}{found.million_images:>22.2f}")


@main.command()
@click.argument("tag")
@_root
@click.option("--notes", is_flag=True, help="Print the changelog's section instead of the JSON document.")
def release(tag: str, root: Path, *, notes: bool) -> None:
    """Says what TAG (like imgcls-core-v0.2.0) releases; exit code 1 when the repository does not agree with it."""
    try:
        found = find_release(tag, root)
    except ReleaseError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_FAULTS)
    click.echo(found.notes if notes else json.dumps(asdict(found)))


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
