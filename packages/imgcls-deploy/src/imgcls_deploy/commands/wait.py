"""`imgcls-deploy wait`."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import click

from imgcls_deploy.errors import DeployError
from imgcls_deploy.readiness import wait_until_ready


@click.command("wait")
@click.argument("url")
@click.option("--artifact", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Must be what answers.")
@click.option("--timeout-s", type=click.FloatRange(min=0), default=900.0, show_default=True, help="How long to wait.")
def command(url: str, artifact: Path | None, timeout_s: float) -> None:
    """Wait until the service at URL is ready; exit code 1 when it does not get so in time.

    IMGCLS_PLATFORM_TOKEN or, without it, IMGCLS_API_KEY is sent as bearer token.
    """
    token = os.environ.get("IMGCLS_PLATFORM_TOKEN") or os.environ.get("IMGCLS_API_KEY")
    sha256 = hashlib.sha256(artifact.read_bytes()).hexdigest() if artifact else None
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if not wait_until_ready(url, headers=headers, sha256=sha256, timeout_s=timeout_s, say=click.echo):
        raise DeployError(f"It did not get ready within {timeout_s:g} s.")
