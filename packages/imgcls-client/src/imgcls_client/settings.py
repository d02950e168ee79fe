"""Where a command's settings come from: flag, then environment, then profile in the config file, then default.

The only module that reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
from imgcls_cli.durations import seconds_of

from imgcls_client.errors import SettingsError

_MASK = "••••"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting; the flag is its name with dashes and without the unit, the variable `IMGCLS_` in capitals.

    Attributes:
        kind: a duration is a number of seconds, or one with a unit; no number is below 0.
        secret: never shown.
        other_variable: a variable of another tool that is honoured too.
        command: the only command that has it as a flag, or `config` for none; None for every command that reaches a
            deployment.
    """

    name: str
    says: str
    default: str | float | None = None
    kind: Literal["text", "number", "duration"] = "text"
    secret: bool = False
    other_variable: str | None = None
    command: str | None = None

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that set it, ours first."""
        own = f"IMGCLS_{self.name.upper()}"
        return (own,) if self.other_variable is None else (own, self.other_variable)

    @property
    def flag(self) -> str:
        """The command-line flag."""
        return f"--{self.name.removesuffix('_s').replace('_', '-')}"

    @property
    def shown_default(self) -> str:
        """The default as a user would write it; empty where there is none."""
        unit = "s" if self.kind == "duration" else ""
        return f"{self.default:g}{unit}" if isinstance(self.default, float) else str(self.default or "")


SETTINGS: tuple[Setting, ...] = (
    Setting("url", "Base address of the service.", default="http://127.0.0.1:8192"),
    Setting("api_key", "Key of the service, sent as a bearer token.", secret=True),
    Setting("project", "Cerebrium project, as p-1234abcd; with --app it takes the place of --url."),
    Setting("app", "Name of the app on Cerebrium."),
    Setting(
        "platform_token",
        "Cerebrium's bearer token (API key or service-account token); the key of the service then goes as X-API-Key.",
        secret=True,
        other_variable="CEREBRIUM_SERVICE_ACCOUNT_TOKEN",
    ),
    Setting("timeout_s", "Longest wait for an answer of a warm service.", default=30.0, kind="duration"),
    Setting("cold_start_timeout_s", "Longest wait for the first answer.", default=120.0, kind="duration"),
    Setting("connect_timeout_s", "Longest wait for a connection.", default=5.0, kind="duration"),
    Setting("retries", "How often a passing failure is tried again.", default=3.0, kind="number"),
    Setting("platform_url", "Router of the platform.", default="https://api.cerebrium.ai", command="config"),
    Setting("platform_rest_url", "REST API of the platform.", default="https://rest.cerebrium.ai", command="config"),
    Setting("database", "SQLite file of the monitor; by default in the user's state folder.", command="monitor"),
    Setting("webhook", "Address that gets the monitor's alerts.", secret=True, command="monitor"),
)


class _ConfigFile(msgspec.Struct):
    default_profile: str | None = None
    profiles: dict[str, dict[str, object]] = {}


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
        return _MASK if setting.secret else f"{value:g}" if isinstance(value, float) else str(value)


def config_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Says where the config file is: `IMGCLS_CONFIG`, or `imgcls/config.toml` in the XDG config folder."""
    if named := environment.get("IMGCLS_CONFIG"):
        return Path(named)
    return Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "imgcls" / "config.toml"


def state_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Says where the monitor's database is by default: `imgcls/monitor.sqlite` in the XDG state folder."""
    return Path(environment.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "imgcls" / "monitor.sqlite"


def resolve_settings(
    flags: Mapping[str, str | float | None], environment: Mapping[str, str] = os.environ
) -> ResolvedSettings:
    """Finds each setting's value and where it comes from.

    Args:
        flags: what the command line said, by setting name, and `profile`; None where it said nothing.
        environment: what the shell has set; an empty variable counts as unset.

    Raises:
        SettingsError: a value is not of its kind, or the config file or profile cannot be used.
    """
    chosen = flags.get("profile") or environment.get("IMGCLS_PROFILE")
    profile_name, profile = _read_profile(config_path(environment), None if chosen is None else str(chosen))
    origins: dict[str, Origin] = {}
    for setting in SETTINGS:
        said: list[tuple[object, str, int]] = [
            (flags.get(setting.name), setting.flag, 0),
            *((environment.get(name) or None, name, 1) for name in setting.variables),
            (profile.get(setting.name), f"profile {profile_name!r}", 2),
        ]
        value, source, rank = next((one for one in said if one[0] is not None), (setting.default, "default", 3))
        origins[setting.name] = Origin(_checked(setting, value, source), source, rank)
    return ResolvedSettings(origins, profile_name)


def _checked(setting: Setting, value: object, source: str) -> str | float | None:
    if value is None or setting.kind == "text":
        return None if value is None else str(value)
    length = seconds_of(str(value))
    if length is None or (setting.kind == "number" and not str(value).strip()[-1].isdecimal()):
        allowed = "a length of time, as 30s or 2m" if setting.kind == "duration" else "a number of 0 or more"
        raise SettingsError(f"{source} says `{setting.name}` is {value!r}; it takes {allowed}.")
    return length


def _read_profile(path: Path, name: str | None) -> tuple[str | None, dict[str, object]]:
    """Reads a profile of the config file: the one named, or the file's `default_profile`, or none.

    Raises:
        SettingsError: the file is not TOML, has no such profile, or the profile has a key that is no setting.
    """
    try:
        file = msgspec.toml.decode(path.read_bytes(), type=_ConfigFile)
    except FileNotFoundError:
        file = _ConfigFile()
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise SettingsError(f"The config file {path} cannot be used: {error}.") from error
    name = name or file.default_profile
    if name is None:
        return None, {}
    if name not in file.profiles:
        known = ", ".join(sorted(file.profiles)) or "none"
        raise SettingsError(f"There is no profile {name!r} in {path}; it has: {known}.")
    known_names = [setting.name for setting in SETTINGS]
    for key in file.profiles[name]:
        if key not in known_names:
            raise SettingsError(f"Profile {name!r} in {path} sets {key!r}; it can set: {', '.join(known_names)}.")
    return name, file.profiles[name]
