"""Where a command's settings come from: flag, then environment, then profile in the config file, then default.

click looks them up; this module says which there are, `config_file.py` reads what a profile says.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click
from imgcls_cli.durations import DURATION_OR_ZERO


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting; the flag is its name with dashes and without the unit, the variable `IMGCLS_` in capitals.

    Attributes:
        kind: its type, as click checks it; None for text.
        secret: never shown.
        other_variable: a variable of another tool that is honoured too.
        command: the only command that shows it as a flag, or `config` for none; None for every command that reaches
            a deployment.
    """

    name: str
    says: str
    default: str | None = None
    kind: click.ParamType[float] | None = None
    secret: bool = False
    other_variable: str | None = None
    command: str | None = None

    @property
    def variables(self) -> list[str]:
        """The environment variables that set it, ours first."""
        return [f"IMGCLS_{self.name.upper()}", *([self.other_variable] if self.other_variable else [])]

    @property
    def flag(self) -> str:
        """The command-line flag."""
        return f"--{self.name.removesuffix('_s').replace('_', '-')}"


SETTINGS: tuple[Setting, ...] = (
    Setting("url", "Base address of the service.", "http://127.0.0.1:8192"),
    Setting("api_key", "Key of the service, sent as a bearer token.", secret=True),
    Setting("project", "Cerebrium project, as p-1234abcd; with --app it takes the place of --url."),
    Setting("app", "Name of the app on Cerebrium."),
    Setting(
        "platform_token",
        "Cerebrium's bearer token (API key or service-account token); the key of the service then goes as X-API-Key.",
        secret=True,
        other_variable="CEREBRIUM_SERVICE_ACCOUNT_TOKEN",
    ),
    Setting("timeout_s", "Longest wait for an answer of a warm service.", "30s", DURATION_OR_ZERO),
    Setting("cold_start_timeout_s", "Longest wait for the first answer.", "2m", DURATION_OR_ZERO),
    Setting("connect_timeout_s", "Longest wait for a connection.", "5s", DURATION_OR_ZERO),
    Setting("retries", "How often a passing failure is tried again.", "3", click.IntRange(min=0)),
    Setting("platform_url", "Router of the platform.", "https://api.cerebrium.ai", command="config"),
    Setting("platform_rest_url", "REST API of the platform.", "https://rest.cerebrium.ai", command="config"),
    Setting("database", "SQLite file of the monitor; by default in the user's state folder.", command="monitor"),
    Setting("webhook", "Address that gets the monitor's alerts.", secret=True, command="monitor"),
)


_OF_THE_SERVICE = frozenset({"IMGCLS_API_KEYS", "IMGCLS_LOAD_TIMEOUT_S", "IMGCLS_URL_TIMEOUT_MS"})


def mistyped_variables() -> list[str]:
    """Says of each variable that is nearly one of ours, and none of the service's, which one may be meant."""
    known = {name for setting in SETTINGS for name in setting.variables} | {"IMGCLS_CONFIG", "IMGCLS_PROFILE"}
    given = sorted(name for name in os.environ if name.startswith("IMGCLS_") and name not in known | _OF_THE_SERVICE)
    near = {name: difflib.get_close_matches(name, known, 1, 0.85) for name in given}
    return [f"{name} is no setting of this command. Is {meant[0]} meant?" for name, meant in near.items() if meant]


@dataclass(frozen=True, slots=True)
class Origin:
    """A value and where it came from, for showing; `rank` is 0 for a flag, 1 environment, 2 profile, 3 default."""

    value: str | float | None
    source: str
    rank: int


@dataclass(frozen=True, slots=True)
class ResolvedSettings:
    """The settings of one command, each with its origin."""

    origins: Mapping[str, Origin]
    profile: str | None

    def text(self, name: str) -> str | None:
        """Gives a text setting."""
        value = self.origins[name].value
        return None if value is None else str(value)

    def number(self, name: str) -> float:
        """Gives a numeric setting."""
        return float(self.origins[name].value or 0)

    def shown(self, setting: Setting) -> str:
        """Gives a value as it may be shown."""
        value = self.origins[setting.name].value
        if value is None:
            return "not set"
        return "••••" if setting.secret else f"{value:g}" if isinstance(value, int | float) else value


def state_path() -> Path:
    """Says where the monitor's database is by default: `imgcls/monitor.sqlite` in the XDG state folder."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "imgcls" / "monitor.sqlite"
