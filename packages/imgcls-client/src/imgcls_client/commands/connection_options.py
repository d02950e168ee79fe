"""The options that every command has for reaching a deployment, and the clients they make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from imgcls_client.cerebrium.address import CerebriumApp, app_of_url, make_app
from imgcls_client.cerebrium.rest import CerebriumApi
from imgcls_client.http.client import ImgclsClient
from imgcls_client.http.retry_policy import NO_RETRY, RetryPolicy, Timeouts
from imgcls_client.settings import SETTINGS, ResolvedSettings, resolve_settings

# The service leaves answers to such calls out of what it compares with the reference distribution.
_CHECK_HEADER = "x-imgcls-check"

_Command = TypeVar("_Command", bound=Callable[..., Any])


def connection_options(command: _Command, *, for_command: str | None = None) -> _Command:
    """Gives a command the options for reaching a deployment; see `settings_of`.

    Args:
        command: the command.
        for_command: its name, where there are settings that it alone has.
    """

    def take(context: click.Context, parameter: click.Parameter, value: object) -> None:
        flags = context.meta.setdefault("imgcls.flags", {})
        if value is not None:
            flags[parameter.name] = value

    for setting in reversed(SETTINGS):
        if setting.command not in {None, for_command}:
            continue
        default = "" if setting.default is None else f"  [default: {_default_text(setting.default)}]"
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


def _default_text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def settings_of(context: click.Context) -> ResolvedSettings:
    """Resolves the settings of the command that is running."""
    return resolve_settings(context.meta.get("imgcls.flags", {}))


def platform_app_of(settings: ResolvedSettings) -> CerebriumApp | None:
    """Names the app on Cerebrium that the settings mean, or None for any other host.

    An address and a project may both be set, in different places: the nearer one counts (a flag before the
    environment, the environment before a profile).
    """
    url, project, app = (settings.origins[name] for name in ("url", "project", "app"))
    if (project.value is None) != (app.value is None):
        raise click.UsageError("--project and --app belong together: both name an app on Cerebrium.")
    if project.value is None or url.rank < project.rank:
        return app_of_url(str(url.value))
    if url.rank == project.rank:
        raise click.UsageError(f"{url.source} and {project.source} both say where the service is; leave one out.")
    return make_app(str(project.value), str(app.value))


def url_of(settings: ResolvedSettings) -> str:
    """Gives the base address of the deployment."""
    found = platform_app_of(settings)
    url = settings.text("url") or ""
    if found is None or app_of_url(url) == found:
        return url
    return found.url(settings.text("platform_url") or "")


def _headers_of(settings: ResolvedSettings, *, platform_token: str | None, api_key: str | None) -> dict[str, str]:
    """Gives the headers that open the deployment.

    A platform's router reads `Authorization` itself, so behind one the service's own key goes as `X-API-Key`.
    """
    if platform_token is None:
        return {} if api_key is None else {"authorization": f"Bearer {api_key}"}
    own = {} if api_key is None else {"x-api-key": api_key}
    return {"authorization": f"Bearer {platform_token}", **own}


def _platform_token_of(settings: ResolvedSettings) -> str | None:
    """Gives the platform's token, where the deployment is on the platform: it goes nowhere else."""
    return settings.text("platform_token") if platform_app_of(settings) is not None else None


def has_key(settings: ResolvedSettings) -> bool:
    """Says whether the settings have a key of the service or a token of its platform."""
    return settings.text("api_key") is not None or _platform_token_of(settings) is not None


def _timeouts_of(settings: ResolvedSettings) -> Timeouts:
    return Timeouts(
        connect_s=settings.number("connect_timeout_s"),
        cold_start_s=settings.number("cold_start_timeout_s"),
        warm_s=settings.number("timeout_s"),
    )


def anonymous_client(settings: ResolvedSettings, key: str | None) -> ImgclsClient:
    """Makes a client for the same deployment with another key, or with none, that sends once."""
    return ImgclsClient(
        url_of(settings),
        api_key=key,
        timeouts=_timeouts_of(settings),
        retry=NO_RETRY,
        headers={_CHECK_HEADER: "true"},
    )


def client_from(
    settings: ResolvedSettings, *, retry: RetryPolicy | None = None, max_connections: int = 64, is_check: bool = False
) -> ImgclsClient:
    """Makes the client that the settings describe.

    Args:
        settings: where the service is and what opens it.
        retry: what is tried again, instead of what the settings say.
        max_connections: how many calls can be under way at once.
        is_check: whether its images test the deployment, and must not count as traffic when drift is judged.
    """
    checks = {_CHECK_HEADER: "true"} if is_check else {}
    return ImgclsClient(
        url_of(settings),
        timeouts=_timeouts_of(settings),
        retry=retry or RetryPolicy(attempts=int(settings.number("retries")) + 1),
        headers={
            **_headers_of(settings, platform_token=_platform_token_of(settings), api_key=settings.text("api_key")),
            **checks,
        },
        max_connections=max_connections,
    )


def platform_api_from(settings: ResolvedSettings) -> CerebriumApi | None:
    """Makes a client of the platform's API, where the platform is known and there is a token."""
    app, token = platform_app_of(settings), _platform_token_of(settings)
    if app is None or token is None:
        return None
    return CerebriumApi(app, token, rest_url=settings.text("platform_rest_url") or "")
