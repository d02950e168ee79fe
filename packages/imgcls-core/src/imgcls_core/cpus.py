"""How many processors this process may really use (threads beyond that make ONNX Runtime three times slower)."""

from __future__ import annotations

import math
import os
import platform
import re
from pathlib import Path


def processor_kind() -> str:
    """Names the processor and what it can do: two machines that give the same run the same code."""
    try:
        cores = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n", 1)[0]
    except OSError:
        cores = ""
    known: list[str] = re.findall(r"^(?:model name|flags|Features|CPU \w+)\s*:\s*(.+)$", cores, re.MULTILINE)
    return "\n".join([platform.machine(), *(known or [platform.processor()])])


def allotted_cpus() -> int:
    """Counts processors: the affinity mask, lowered by a container's CPU quota; at least 1."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota = _cgroup_quota()
    return max(1, min(cpus, math.floor(quota))) if quota is not None else cpus


def _cgroup_quota() -> float | None:
    """Reads the CPU quota in processors from cgroup v2, else v1; None without one."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    try:
        v1 = Path("/sys/fs/cgroup/cpu")
        quota_us = int((v1 / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        period_us = int((v1 / "cpu.cfs_period_us").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return quota_us / period_us if quota_us > 0 and period_us > 0 else None
