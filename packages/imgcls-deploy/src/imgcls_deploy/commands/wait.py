"""`imgcls-deploy wait`."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import click
from imgcls_cli.durations import duration_option
from imgcls_cli.helped import HelpedCommand
from imgcls_cli.printable import echo
from imgcls_sdk.errors import ImgclsClientError, SettingsError, UnknownHostError

from imgcls_deploy.errors import DeployError

POLL_S = 3.0


@click.command(
    "wait",
    cls=HelpedCommand,
    examples=(
        "imgcls-deploy wait https://api.aws.us-east-1.cerebrium.ai/v4/p-1234abcd/imgcls",
        "imgcls-deploy wait 127.0.0.1:8192 --artifact models/pets.onnx --timeout 5m",
    ),
)
@click.argument("url")
@click.option("--artifact", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Must be what answers.")
@duration_option("--timeout", "timeout_s", "15m", "How long to wait.", can_be_zero=True)
def command(url: str, artifact: Path | None, timeout_s: float) -> None:
    """Wait until the service at URL is ready; exit code 1 when it does not get so in time.

    IMGCLS_PLATFORM_TOKEN or, without it, IMGCLS_API_KEY is sent as bearer token.
    """
    from imgcls_sdk.client import ImgclsClient
    from imgcls_sdk.readiness import wait_until_ready
    from imgcls_sdk.retry_policy import NO_RETRY

    token = os.environ.get("IMGCLS_PLATFORM_TOKEN") or os.environ.get("IMGCLS_API_KEY")
    sha256 = hashlib.sha256(artifact.read_bytes()).hexdigest() if artifact else None
    too_late = f"{url} did not get ready within {timeout_s:g} s"
    try:
        with ImgclsClient(url, api_key=token or None, retry=NO_RETRY) as client:
            # While a platform replaces a revision, its router may say anything: every failure may pass.
            readiness = wait_until_ready(
                client,
                timeout_s,
                sha256=sha256,
                poll_s=POLL_S,
                say=echo,
                passing=(ImgclsClientError,),
                lasting=(UnknownHostError,),
            )
    except SettingsError as error:
        raise click.BadParameter(str(error), param_hint="URL") from error
    except UnknownHostError as error:
        raise DeployError(f"{error.url}: {error.reason}. Give the address that the platform named.") from error
    except ImgclsClientError as error:
        raise DeployError(f"{too_late}: {error.brief}") from error
    if not readiness.ready:
        raise DeployError(f"{too_late}: {readiness.reason or 'it does not say why'}.")
