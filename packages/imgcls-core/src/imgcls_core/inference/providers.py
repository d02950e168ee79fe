"""What may be asked for, and which of ONNX Runtime's providers to use, and why; asks the NVIDIA driver for a GPU."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal, get_args

from imgcls_core.errors import ProviderUnavailableError

ProviderRequest = Literal[
    "auto", "cuda", "cpu", "openvino", "openvino-fp32", "openvino-int8", "openvino-bf16", "openvino-int8-bf16"
]
ProviderName = Literal["cuda", "cpu"]

RUNTIME_NAME: Final[dict[ProviderName, str]] = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}


def is_openvino(provider: str) -> bool:
    """Whether this is OpenVINO, which runs on the CPU."""
    return provider.startswith("openvino")


@dataclass(frozen=True)
class GpuPresence:
    """Whether the driver sees a GPU; `reason` says what was found."""

    present: bool
    reason: str


@dataclass(frozen=True)
class ProviderChoice:
    """The provider to create the session on; `reason` is one clause for logs and `/health`."""

    name: ProviderName
    reason: str


def find_gpu() -> GpuPresence:
    """Asks the CUDA driver for its devices (no CUDA context is made, some milliseconds)."""
    library = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(library)
    except OSError:
        return GpuPresence(False, f"no NVIDIA driver ({library} cannot be loaded)")
    if (status := int(driver.cuInit(0))) != 0:
        return GpuPresence(False, f"the NVIDIA driver does not start (cuInit returned {status})")
    count = ctypes.c_int(0)
    if (status := int(driver.cuDeviceGetCount(ctypes.byref(count)))) != 0 or count.value == 0:
        return GpuPresence(False, f"the NVIDIA driver shows no GPU (status {status})")
    return GpuPresence(True, f"the NVIDIA driver shows {count.value} GPU{'s' if count.value > 1 else ''}")


def choose_provider(requested: str, *, available: Collection[str], gpu: GpuPresence) -> ProviderChoice:
    """Decides on a provider; never falls back from one that was asked for by name.

    Args:
        requested: "auto", "cuda" or "cpu".
        available: the providers that the installed ONNX Runtime was built with, by its own names.
        gpu: what the driver says.

    Returns:
        The choice. "auto" takes CUDA when the build has it and a GPU is present, else the CPU.

    Raises:
        ProviderUnavailableError: "cuda" without a GPU or without a CUDA build, or an unknown name.
    """
    if requested not in get_args(ProviderRequest):
        raise ProviderUnavailableError(requested, f"there are {', '.join(get_args(ProviderRequest))}")
    built = RUNTIME_NAME["cuda"] in available
    if requested == "cpu":
        return ProviderChoice("cpu", "asked for")
    if built and gpu.present:
        return ProviderChoice("cuda", "asked for" if requested == "cuda" else gpu.reason)
    no_cuda = "the installed ONNX Runtime has no CUDA provider (uninstall it, and install onnxruntime-gpu)"
    missing = no_cuda if gpu.present else gpu.reason
    if requested == "cuda":
        raise ProviderUnavailableError(requested, missing)
    return ProviderChoice("cpu", missing)
