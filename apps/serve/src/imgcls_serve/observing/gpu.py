"""Readings of NVIDIA GPUs through NVML, the driver's own library."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class GpuReading:
    """One GPU now; `utilisation` is 0 to 1."""

    index: int
    name: str
    utilisation: float
    memory_used_bytes: int
    memory_total_bytes: int


def gpu_readings() -> list[GpuReading]:
    """Asks the driver; empty where it cannot be asked."""
    try:
        pynvml: Any = import_module("pynvml")  # only where there is a GPU; it is untyped
    except ImportError:
        return []
    readings: list[GpuReading] = []
    try:
        pynvml.nvmlInit()
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
            utilisation = pynvml.nvmlDeviceGetUtilizationRates(handle)
            readings.append(
                GpuReading(
                    index=index,
                    name=str(pynvml.nvmlDeviceGetName(handle)),
                    utilisation=float(utilisation.gpu) / 100,
                    memory_used_bytes=int(memory.used),
                    memory_total_bytes=int(memory.total),
                )
            )
    except pynvml.NVMLError:
        return []
    return readings
