"""What the image is built from: the lock holds each of its three forms, and nothing that trains."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
UV = shutil.which("uv") or "uv"
DOCKERFILE = (ROOT / "docker/Dockerfile").read_text()

# What `readelf -d libonnxruntime_providers_cuda.so` names, what it loads when asked, and what those need themselves.
CUDA12 = {"cublas", "cuda-nvrtc", "cuda-runtime", "cudnn", "cufft", "curand", "nvjitlink"}
CUDA13 = {"cublas", "cuda-nvrtc", "cuda-runtime", "cudnn", "curand"}


def installed(*extra: str) -> dict[str, str]:
    """What the image's `uv sync` installs on Linux x86-64, by name."""
    command = [UV, "export", "--frozen", "--no-dev", "--package", "imgcls-serve", "--no-hashes", "--no-emit-workspace"]
    done = subprocess.run([*command, *extra], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [line.split(" ; ") for line in done.stdout.splitlines() if "==" in line]
    here = [
        parts[0] for parts in lines if "!= 'linux'" not in "".join(parts[1:]) and "win32'" not in "".join(parts[1:])
    ]
    return dict(line.split("==") for line in here)


@pytest.mark.parametrize(
    ("extra", "runtime", "suffix", "libraries"),
    [("cuda12", "1.26.", "-cu12", CUDA12), ("cuda13", "1.31.", "", CUDA13)],
)
def test_a_gpu_image_has_the_runtime_and_the_libraries_of_its_cuda(extra, runtime, suffix, libraries):
    packages = installed("--extra", extra)
    assert packages["onnxruntime-gpu"].startswith(runtime)
    nvidia = {name.removeprefix("nvidia-") for name in packages if name.startswith("nvidia-")} - {"ml-py"}
    assert {re.sub(r"-cu1[23]$", "", name) for name in nvidia} == libraries
    assert all(name.endswith(suffix) or extra == "cuda13" for name in nvidia)


def test_the_cpu_image_has_no_cuda_at_all():
    packages = installed("--extra", "cpu")
    assert packages["onnxruntime"].startswith("1.31.")
    assert "onnxruntime-gpu" not in packages
    assert {name for name in packages if name.startswith("nvidia-")} == {"nvidia-ml-py"}


@pytest.mark.parametrize("extra", ["cpu", "cuda12", "cuda13"])
def test_no_image_has_what_trains_or_calls(extra):
    assert not {"torch", "torchvision", "onnx", "httpx", "rich", "pytest"} & set(installed("--extra", extra))


def test_the_image_has_every_member_that_the_service_needs():
    command = [UV, "export", "--frozen", "--no-dev", "--package", "imgcls-serve", "--no-hashes"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    members = set(re.findall(r"^-e \./(\S+)", done.stdout, re.MULTILINE))
    assert set(re.findall(r"^COPY ((?:packages|apps)/\S+)", DOCKERFILE, re.MULTILINE)) == members
    install = re.search(r"uv pip install --no-deps --target imgcls (.*)", DOCKERFILE)
    assert install is not None
    assert {path.removeprefix("./") for path in install[1].split()} == members
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    assert {f"!{path}" for path in members} <= set(allowed)


@pytest.mark.parametrize("other", ["cpu", "gpu", "cuda13"])
def test_an_environment_takes_one_build_of_the_runtime(other):
    with pytest.raises(subprocess.CalledProcessError) as refusal:
        installed("--extra", "cuda12", "--extra", other)
    assert "incompatible" in refusal.value.stderr


def test_the_dockerfile_offers_exactly_these():
    offered = re.search(r"^ +([0-9|]+)\) extra=", DOCKERFILE, re.MULTILINE)
    assert offered is not None
    assert offered[1].split("|") == ["12", "13"]


@pytest.mark.parametrize(
    "line",
    ["ORT_DISABLE_TELEMETRY=1", "HEALTHCHECK ", "NVIDIA_DRIVER_CAPABILITIES=compute,utility", "uv sync --frozen"],
)
def test_the_dockerfile_keeps(line):
    assert line in DOCKERFILE
