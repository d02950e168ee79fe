"""`imgcls-deploy upload`."""

from __future__ import annotations

import zipfile
from pathlib import Path

import click
from imgcls_cerebrium.hardware import Plan
from imgcls_cli.files import OUTPUT_FILE
from imgcls_cli.helped import HelpedCommand
from imgcls_cli.printable import echo

from imgcls_deploy.commands.repository import checked_config, plan_option, root_option


@click.command(
    "upload",
    cls=HelpedCommand,
    examples=(
        "imgcls-deploy upload",
        "imgcls-deploy upload --zip upload.zip",
    ),
)
@root_option
@plan_option
@click.option("--zip", "zip_path", type=OUTPUT_FILE, help="Also write them to this file, as it is sent.")
def command(root: Path, plan: Plan, zip_path: Path | None) -> None:
    """List the files that `cerebrium deploy` would send, with their sizes; all that the build needs must be there."""
    from imgcls_cerebrium.upload import files_to_upload

    config = checked_config(root, plan, complete=True)
    paths = files_to_upload(root, include=config.deployment.include, exclude=config.deployment.exclude)
    for path in paths:
        echo(f"{(root / path).stat().st_size:>11,}  {path}")
    total = sum((root / path).stat().st_size for path in paths)
    echo(f"{total:>11,}  bytes in {len(paths)} files", err=True)
    if zip_path is not None:
        with zipfile.ZipFile(zip_path, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in paths:
                archive.write(root / path, path)
        echo(f"{zip_path.stat().st_size:>11,}  bytes in {zip_path}", err=True)
