"""The options that every command has for reaching a deployment, and the clients they make."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource
from imgcls_cerebrium.address import CerebriumApp, app_of_url, make_app
from imgcls_cerebrium.errors import AppAddressError
from imgcls_cli.durations import DURATION_OR_ZERO
from imgcls_cli.helped import HelpedOption
from imgcls_cli.printable import echo
from imgcls_sdk.errors import SettingsError
from imgcls_sdk.retry_policy import NO_RETRY, RetryPolicy, Timeouts

from imgcls_client.settings import SETTINGS, Origin, ResolvedSettings, Setting, mistyped_variables

if TYPE_CHECKING:
    from imgcls_cerebrium.rest_api import CerebriumApi
    from imgcls_sdk.client import ImgclsClient

# The service leaves answers to such calls out of what it compares with the reference distribution.
_CHECK_HEADER = "x-imgcls-check"

_Command = TypeVar("_Command", bound=Callable[..., Any])


def connection_options(command: _Command, *, for_command: str | None = None) -> _Command:
    """Gives a command the options for reaching a deployment; see `settings_of`.

    Args:
        command: the command.
        for_command: its name, where there are settings that it alone has.
    """
    option = partial(click.option, cls=HelpedOption, group="Connection", expose_value=False, show_envvar=True)
    for setting in reversed(SETTINGS):
        options: dict[str, Any] = {
            "type": setting.kind,
            "default": setting.default,
            "envvar": setting.variables,
            "help": setting.says,
        }
        shown = setting.command in {None, for_command}
        take = partial(_take, setting=setting)
        if setting.kind is DURATION_OR_ZERO:  # what it was called before it took units
            command = option(f"{setting.flag}-s", setting.name, hidden=True, callback=take, **options)(command)
        command = option(setting.flag, setting.name, hidden=not shown, callback=take, show_default=True, **options)(
            command
        )
    says = "Profile of the config file."
    return option("--profile", is_eager=True, callback=_use_profile, envvar="IMGCLS_PROFILE", help=says)(command)


def _use_profile(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    """Makes the values of a profile the defaults of the command."""
    from imgcls_client.config_file import read_profile

    if "imgcls.profile" not in context.meta:
        for sentence in mistyped_variables():
            echo(f"note: {sentence}", err=True)
    name, values = read_profile(value)
    context.default_map = values
    context.meta["imgcls.profile"] = name or context.meta.get("imgcls.profile")


def _take(context: click.Context, parameter: click.Parameter, value: object, *, setting: Setting) -> None:
    """Keeps a value with where it came from; what a group was told counts before the defaults of its commands."""
    set_variables = (name for name in setting.variables if os.environ.get(name))
    origins: dict[ParameterSource | None, tuple[str, int]] = {
        ParameterSource.COMMANDLINE: (setting.flag, 0),
        ParameterSource.ENVIRONMENT: (next(set_variables, ""), 1),
        ParameterSource.DEFAULT_MAP: (f"profile {context.meta['imgcls.profile']!r}", 2),
    }
    source, rank = origins.get(context.get_parameter_source(parameter.name or ""), ("default", 3))
    kept: dict[str, Origin] = context.meta.setdefault("imgcls.settings", {})
    if setting.name not in kept or rank < kept[setting.name].rank:
        kept[setting.name] = Origin(value if isinstance(value, int | float | None) else str(value), source, rank)


def settings_of(context: click.Context) -> ResolvedSettings:
    """Gives the settings of the command that is running."""
    return ResolvedSettings(context.meta["imgcls.settings"], context.meta["imgcls.profile"])


def platform_app_of(settings: ResolvedSettings) -> CerebriumApp | None:
    """Names the app on Cerebrium that the settings mean, or None for any other host.

    An address and a project may both be set, in different places: the nearer one counts (a flag before the
    environment, the environment before a profile).
    """
    url, project, app = (settings.origins[name] for name in ("url", "project", "app"))
    if (project.value is None) != (app.value is None):
        raise click.UsageError("--project and --app belong together: both name an app on Cerebrium.")
    try:
        if project.value is None or url.rank < project.rank:
            return app_of_url(str(url.value))
        if url.rank == project.rank:
            raise click.UsageError(f"{url.source} and {project.source} both say where the service is; leave one out.")
        return make_app(str(project.value), str(app.value))
    except AppAddressError as error:
        raise SettingsError(str(error)) from error


def url_of(settings: ResolvedSettings) -> str:
    """Gives the base address of the deployment."""
    from imgcls_sdk.connection import base_address

    found, url = platform_app_of(settings), settings.text("url") or ""
    if found is None or app_of_url(url) == found:
        return base_address(url)
    return found.url(settings.text("platform_url") or "")


def _platform_token_of(settings: ResolvedSettings) -> str | None:
    """Gives the platform's token, where the deployment is on the platform: it goes nowhere else."""
    return settings.text("platform_token") if platform_app_of(settings) is not None else None


def has_key(settings: ResolvedSettings) -> bool:
    """Says whether the settings have a key of the service or a token of its platform."""
    return settings.text("api_key") is not None or _platform_token_of(settings) is not None


def client_from(
    settings: ResolvedSettings, *, retry: RetryPolicy | None = None, max_connections: int = 64, is_check: bool = False
) -> ImgclsClient:
    """Makes the client that the settings describe.

    A platform's router reads `Authorization` itself, so behind one the service's own key goes as `X-API-Key`.

    Args:
        settings: where the service is and what opens it.
        retry: what is tried again, instead of what the settings say.
        max_connections: how many calls can be under way at once.
        is_check: whether its images test the deployment, and must not count as traffic when drift is judged.
    """
    from imgcls_sdk.client import ImgclsClient

    token, key = _platform_token_of(settings), settings.text("api_key")
    headers = {_CHECK_HEADER: "true"} if is_check else {}
    if token is not None and key is not None:
        headers["x-api-key"] = key
    return ImgclsClient(
        url_of(settings),
        api_key=token or key,
        timeouts=_timeouts_of(settings),
        retry=retry or RetryPolicy(attempts=int(settings.number("retries")) + 1),
        headers=headers,
        max_connections=max_connections,
    )


def anonymous_client(settings: ResolvedSettings, key: str | None) -> ImgclsClient:
    """Makes a client for the same deployment with another key, or with none, that sends once."""
    from imgcls_sdk.client import ImgclsClient

    checks, limits = {_CHECK_HEADER: "true"}, _timeouts_of(settings)
    return ImgclsClient(url_of(settings), api_key=key, timeouts=limits, retry=NO_RETRY, headers=checks)


def _timeouts_of(settings: ResolvedSettings) -> Timeouts:
    return Timeouts(*(settings.number(name) for name in ("connect_timeout_s", "cold_start_timeout_s", "timeout_s")))


def platform_api_from(settings: ResolvedSettings) -> CerebriumApi | None:
    """Makes a client of the platform's API, where the platform is known and there is a token."""
    from imgcls_cerebrium.rest_api import CerebriumApi

    app, token = platform_app_of(settings), _platform_token_of(settings)
    if app is None or token is None:
        return None
    return CerebriumApi(app, token, rest_url=settings.text("platform_rest_url") or "")
