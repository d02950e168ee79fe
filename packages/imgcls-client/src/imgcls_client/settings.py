"""Where a command's settings come from: flag, then environment, then profile in the config file, then default.

The only module that reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from imgcls_client.errors import SettingsError

_MASK = "••••"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        name: in the config file; the flag is `--` with dashes, the variable `IMGCLS_` in capitals.
        default: used when nothing else names a value; None means unset.
        kind: `text` or `number` (seconds or a count, 0 or more).
        secret: never shown.
        other_variable: a variable of another tool that is honoured too.
        command: the only command that has it as a flag, or `config` for none; None for every command that reaches a
            deployment.
        says: what it is.
    """

    name: str
    says: str
    default: str | float | None = None
    kind: str = "text"
    secret: bool = False
    other_variable: str | None = None
    command: str | None = None

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"IMGCLS_{self.name.upper()}"

    @property
    def flag(self) -> str:
        """The command-line flag."""
        return f"--{self.name.replace('_', '-')}"


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
    Setting("timeout_s", "Longest wait for an answer of a warm service, in seconds.", default=30.0, kind="number"),
    Setting("cold_start_timeout_s", "Longest wait for the first answer, in seconds.", default=120.0, kind="number"),
    Setting("connect_timeout_s", "Longest wait for a connection, in seconds.", default=5.0, kind="number"),
    Setting("retries", "How often a passing failure is tried again.", default=3.0, kind="number"),
    Setting("platform_url", "Router of the platform.", default="https://api.cerebrium.ai", command="config"),
    Setting("platform_rest_url", "REST API of the platform.", default="https://rest.cerebrium.ai", command="config"),
    Setting("database", "SQLite file of the monitor; by default in the user's state folder.", command="monitor"),
    Setting("webhook", "Address that gets the monitor's alerts.", secret=True, command="monitor"),
)


class _ConfigFile(msgspec.Struct):
    """The config file."""

    default_profile: str | None = None
    profiles: dict[str, dict[str, object]] = {}


@dataclass(frozen=True, slots=True)
class Origin:
    """A value and where it came from, for showing.

    Attributes:
        rank: 0 flag, 1 environment, 2 profile, 3 default.
    """

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
        value = self.origins[name].value
        if not isinstance(value, int | float):
            raise SettingsError(f"`{name}` has no value.")
        return float(value)

    def shown(self, setting: Setting) -> str:
        """Gives a value as it may be shown."""
        value = self.origins[setting.name].value
        if value is None:
            return "not set"
        return _MASK if setting.secret else f"{value:g}" if isinstance(value, float) else str(value)


def config_path(environment: Mapping[str, str] | None = None) -> Path:
    """Says where the config file is: `IMGCLS_CONFIG`, or `imgcls/config.toml` in the XDG config folder."""
    environment = os.environ if environment is None else environment
    if named := environment.get("IMGCLS_CONFIG"):
        return Path(named)
    return Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "imgcls" / "config.toml"


def state_path(environment: Mapping[str, str] | None = None) -> Path:
    """Says where the monitor's database is by default: `imgcls/monitor.sqlite` in the XDG state folder."""
    environment = os.environ if environment is None else environment
    return Path(environment.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "imgcls" / "monitor.sqlite"


def resolve_settings(
    flags: Mapping[str, str | float | None], *, environment: Mapping[str, str] | None = None
) -> ResolvedSettings:
    """Finds each setting's value and where it comes from.

    Args:
        flags: what the command line said, by setting name, and `profile`; None where it said nothing.
        environment: instead of the process's own.

    Raises:
        SettingsError: a value is not of its kind, or the config file or profile cannot be used.
    """
    environment = os.environ if environment is None else environment
    chosen = flags.get("profile") or environment.get("IMGCLS_PROFILE")
    profile_name, profile = _read_profile(config_path(environment), None if chosen is None else str(chosen))
    origins: dict[str, Origin] = {}
    for setting in SETTINGS:
        value: object = None
        source, rank = "default", 3
        flag = flags.get(setting.name)
        variable = _first_set(environment, setting)
        if flag is not None:
            value, source, rank = flag, setting.flag, 0
        elif variable is not None:
            value, source, rank = environment[variable], variable, 1
        elif setting.name in profile:
            value, source, rank = profile[setting.name], f"profile {profile_name!r}", 2
        else:
            value = setting.default
        origins[setting.name] = Origin(_checked(setting, value, source), source, rank)
    return ResolvedSettings(origins, profile_name)


def _first_set(environment: Mapping[str, str], setting: Setting) -> str | None:
    """Names the variable that sets a setting; an empty one counts as unset."""
    names = (setting.variable, *([setting.other_variable] if setting.other_variable else []))
    return next((name for name in names if environment.get(name)), None)


def _checked(setting: Setting, value: object, source: str) -> str | float | None:
    """Checks a value's kind.

    Raises:
        SettingsError: it is of another kind.
    """
    if value is None or setting.kind == "text":
        return None if value is None else str(value)
    try:
        number = float(str(value))
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise SettingsError(f"{source} says `{setting.name}` is {value!r}; it takes a number of 0 or more.")
    return number


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
    profile = file.profiles[name]
    known_names = [setting.name for setting in SETTINGS]
    for key in profile:
        if key not in known_names:
            raise SettingsError(f"Profile {name!r} in {path} sets {key!r}; it can set: {', '.join(known_names)}.")
    return name, profile
