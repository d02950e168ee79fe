"""Writing reports: whole or not at all."""

import os
from pathlib import Path

from imgcls_client.errors import SettingsError

__all__ = ["write_report"]


def write_report(path: Path, content: str) -> None:
    """Write a report, replacing an earlier one in one step.

    Raises:
        SettingsError: It cannot be written there.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_text(content, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise SettingsError(f"{path} cannot be written: {error.strerror or error}.") from error
