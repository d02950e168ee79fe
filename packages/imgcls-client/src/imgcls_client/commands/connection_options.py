"""The options that every command has for reaching a deployment, and the client they make."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from imgcls_client.client import ImgclsClient
from imgcls_client.retry_policy import NO_RETRY, RetryPolicy, Timeouts
from imgcls_client.settings import SETTINGS, Settings, resolve_settings

__all__ = ["client_from", "connection_options", "settings_of", "stranger_from"]

Command = TypeVar("Command", bound=Callable[..., Any])


def connection_options(command: Command, *, for_command: str | None = None) -> Command:
    """Give a command the options for reaching a deployment; they arrive as one `Settings` named `settings`."""

    def take(context: click.Context, parameter: click.Parameter, value: object) -> None:
        flags = context.meta.setdefault("imgcls.flags", {})
        flags[parameter.name] = value

    for setting in reversed(SETTINGS):
        if setting.command not in {None, for_command}:
            continue
        default = "" if setting.default is None else f"  [default: {default_text(setting.default)}]"
        command = click.option(
            setting.flag,
            setting.name,
            expose_value=False,
            callback=take,
            help=f"{setting.says} Also {setting.variable}.{default}",
        )(command)
    return click.option(
        "--profile", expose_value=False, callback=take, help="Profile of the config file. Also IMGCLS_PROFILE."
    )(command)


def default_text(value: str | float) -> str:
    """Show a default."""
    return value if isinstance(value, str) else f"{value:g}"


def settings_of(context: click.Context) -> Settings:
    """Resolve the settings of the command that is running."""
    return resolve_settings(context.meta.get("imgcls.flags", {}))


def timeouts_of(settings: Settings) -> Timeouts:
    """Give the time limits."""
    return Timeouts(
        connect_s=settings.number("connect_timeout_s"),
        cold_start_s=settings.number("cold_start_timeout_s"),
        warm_s=settings.number("timeout_s"),
    )


def stranger_from(settings: Settings, key: str | None) -> ImgclsClient:
    """Make a client for the same deployment with another key, or with none, that sends once."""
    return ImgclsClient(settings.text("url") or "", api_key=key, timeouts=timeouts_of(settings), retry=NO_RETRY)


def client_from(settings: Settings, *, retry: RetryPolicy | None = None, max_connections: int = 64) -> ImgclsClient:
    """Make the client that the settings describe."""
    return ImgclsClient(
        settings.text("url") or "",
        api_key=settings.text("api_key"),
        timeouts=timeouts_of(settings),
        retry=retry or RetryPolicy(attempts=int(settings.number("retries")) + 1),
        max_connections=max_connections,
    )
