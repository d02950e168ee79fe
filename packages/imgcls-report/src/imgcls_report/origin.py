"""Where a report comes from: when, of which model, on which machine and by which versions."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

_HASH_SIGNS: Final = 12  # enough to tell artifacts apart, few enough to read
_MEMBER: Final = "imgcls_"
_RUNTIMES: Final = ("onnxruntime", "torch")


def moment_words(moment: datetime | str) -> str:
    """Writes a moment for people, in UTC to the second; takes ISO 8601, too."""
    at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def model_words(name: str, sha256: str | None, precision: str | None = None) -> str:
    """Names a model so that it cannot be taken for another: name, number format, beginning of the artifact's hash."""
    return ", ".join([name, *filter(None, [precision]), *([f"sha256 {sha256[:_HASH_SIGNS]}…"] if sha256 else [])])


def machine_words() -> str:
    """Tells processor, cores and memory; the machine's name and address are not among it."""
    told = [_processor(), f"{os.cpu_count() or 1} cores", *_memory(), f"{platform.system()} {platform.machine()}"]
    return ", ".join(told)


def version_words() -> str:
    """Tells the versions of what this process has loaded: imgcls's members, ONNX Runtime, PyTorch, and Python."""
    members: dict[str, list[str]] = {}
    for module in sorted({name.partition(".")[0] for name in sys.modules if name.startswith(_MEMBER)}):
        try:
            members.setdefault(version(module.replace("_", "-")), []).append(module.removeprefix(_MEMBER))
        except PackageNotFoundError:
            continue  # a module of somebody else's that only begins alike
    told = [f"imgcls {number} ({', '.join(names)})" for number, names in members.items()]
    told += [f"{name} {sys.modules[name].__version__}" for name in _RUNTIMES if name in sys.modules]
    return ", ".join([*told, f"Python {platform.python_version()}"])


def _memory() -> list[str]:
    try:
        return [f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9:,.0f} GB memory"]
    except (AttributeError, ValueError, OSError):
        return []  # a system that does not tell


def _processor() -> str:
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        told = ""
    names = (line.partition(":")[2].strip() for line in told.splitlines() if line.startswith("model name"))
    return next(names, "") or platform.processor() or "unknown processor"
