from __future__ import annotations

import pytest
from imgcls_core import ProviderUnavailableError
from imgcls_core.inference.providers import GpuPresence, choose_provider

GPU = GpuPresence(True, "the NVIDIA driver shows 1 GPU")
NO_GPU = GpuPresence(False, "no NVIDIA driver (libcuda.so.1 cannot be loaded)")
CUDA_BUILD = ("CUDAExecutionProvider", "CPUExecutionProvider")
CPU_BUILD = ("CPUExecutionProvider",)


@pytest.mark.parametrize(
    ("requested", "available", "gpu", "chosen"),
    [
        ("auto", CUDA_BUILD, GPU, "cuda"),
        ("auto", CUDA_BUILD, NO_GPU, "cpu"),
        ("auto", CPU_BUILD, GPU, "cpu"),
        ("cpu", CUDA_BUILD, GPU, "cpu"),
        ("cuda", CUDA_BUILD, GPU, "cuda"),
    ],
)
def test_the_provider_follows_request_build_and_driver(
    requested: str, available: list[str], gpu: GpuPresence, chosen: str
) -> None:
    assert choose_provider(requested, available=available, gpu=gpu).name == chosen


@pytest.mark.parametrize(
    ("available", "gpu", "reason"),
    [(CUDA_BUILD, NO_GPU, "no NVIDIA driver"), (CPU_BUILD, GPU, "install onnxruntime-gpu")],
)
def test_cuda_by_name_never_falls_back(available: list[str], gpu: GpuPresence, reason: str) -> None:
    with pytest.raises(ProviderUnavailableError, match=reason):
        choose_provider("cuda", available=available, gpu=gpu)


def test_an_unknown_provider_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ProviderUnavailableError, match="there are auto, cuda, cpu"):
        choose_provider("tpu", available=CUDA_BUILD, gpu=GPU)
