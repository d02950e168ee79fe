"""The config file: settings by profile, as TOML."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from imgcls_sdk.errors import SettingsError

from imgcls_client.settings import SETTINGS


class _ConfigFile(msgspec.Struct):
    default_profile: str | None = None
    profiles: dict[str, dict[str, object]] = {}


def config_path() -> Path:
    """Says where the config file is: `IMGCLS_CONFIG`, or `imgcls/config.toml` in the XDG config folder."""
    if named := os.environ.get("IMGCLS_CONFIG"):
        return Path(named)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "imgcls" / "config.toml"


def read_profile(name: str | None) -> tuple[str | None, dict[str, object]]:
    """Reads a profile of the config file: the one named, or the file's `default_profile`, or none.

    Raises:
        SettingsError: the file is not TOML, has no such profile, or the profile has a key that is no setting.
    """
    path = config_path()
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
