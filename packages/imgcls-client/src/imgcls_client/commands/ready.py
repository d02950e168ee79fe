"""`imgcls-client ready`."""

from __future__ import annotations

import json

import click
from imgcls_cli.durations import duration_option
from imgcls_cli.helped import HelpedCommand
from imgcls_cli.printable import echo

from imgcls_client.commands.connection_options import client_from, connection_options, settings_of


@click.command(cls=HelpedCommand, examples=("imgcls-client ready", "imgcls-client ready --wait 5m"))
@duration_option("--wait", "wait_s", None, "Wait for this long until it is, as in 5m.  [default: ask once]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@connection_options
@click.pass_context
def ready(context: click.Context, wait_s: float | None, as_json: bool) -> None:
    """Ask whether a deployment takes work, and say which model it runs.

    Exit code 0 when it is ready, 1 when not, 3 when it cannot be reached.
    """
    from imgcls_sdk.readiness import wait_until_ready
    from imgcls_sdk.retry_policy import NO_RETRY

    with client_from(settings_of(context), retry=NO_RETRY) as client:
        readiness = client.ready() if wait_s is None else wait_until_ready(client, wait_s)
        health = client.health()
    model = None if health.model is None else {"name": health.model.name, "sha256": health.model.sha256}
    if as_json:
        document = {
            "ready": readiness.ready,
            "reason": readiness.reason,
            "model": model,
            "provider": health.provider,
            "uptime_s": health.uptime_s,
            "versions": dict(health.versions),
        }
        echo(json.dumps(document, indent=2))
    elif not readiness.ready:
        echo(f"not ready  {readiness.reason or 'no model'}")
    elif health.model is None:
        echo("ready  (which model it runs is told to callers with a key)")
    else:
        echo(f"ready  {health.model.name}  sha256 {health.model.sha256[:12]}  on {health.provider}")
    context.exit(0 if readiness.ready else 1)
