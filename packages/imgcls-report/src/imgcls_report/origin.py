"""Where a report comes from: the machine and the versions, for its facts."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def origin(*packages: str, machine: str = "machine") -> dict[str, str]:
    """Gives the facts "machine" and "versions"; the machine's name and address are not among them.

    Args:
        packages: whose versions matter, such as "imgcls-client".
        machine: what the machine is called, where it could be taken for another.
    """
    found = [f"{package} {known}" for package in packages if (known := _version(package))]
    told = f"{_processor()}, {os.cpu_count() or 1} cores, {platform.system()} {platform.machine()}"
    return {machine: told, "versions": ", ".join([*found, f"Python {platform.python_version()}"])}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        told = ""
    names = (line.partition(":")[2].strip() for line in told.splitlines() if line.startswith("model name"))
    return next(names, "") or platform.processor() or "unknown processor"
