"""`imgcls-client config show`."""

from __future__ import annotations

import json

import click
from imgcls_cli.helped import HelpedCommand, HelpedGroup
from imgcls_cli.printable import echo

from imgcls_client.commands.connection_options import connection_options, settings_of, url_of
from imgcls_client.settings import SETTINGS


@click.group(cls=HelpedGroup, examples=("imgcls-client config show", "imgcls-client config show --profile production"))
def config() -> None:
    """Show the settings. A flag comes before the environment, and that before the profile of the config file.

    The config file has a table for each profile, as [profiles.production] with url = "https://..." in it, and may name
    a default_profile at its top.
    """


@config.command(
    cls=HelpedCommand, examples=("imgcls-client config show", "IMGCLS_URL=… imgcls-client config show --json")
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@connection_options
@click.pass_context
def show(context: click.Context, as_json: bool) -> None:
    """Show each setting's value and where it came from; keys are masked."""
    from imgcls_client.config_file import config_path

    settings = settings_of(context)
    path = config_path()
    rows = [(setting.name, settings.shown(setting), settings.origins[setting.name].source) for setting in SETTINGS]
    if as_json:
        values = {name: {"value": value, "from": source} for name, value, source in rows}
        document = {"file": str(path), "profile": settings.profile, "service": url_of(settings), "settings": values}
        echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    echo(f"service: {url_of(settings)}")
    echo(f"config file: {path}{'' if path.exists() else ' (not there)'}, profile: {settings.profile or 'none'}")
    name_width, value_width = (max(len(row[column]) for row in rows) for column in (0, 1))
    for name, value, source in rows:
        echo(f"{name:<{name_width}}  {value:<{value_width}}  {source}")
