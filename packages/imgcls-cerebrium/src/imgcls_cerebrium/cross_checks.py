"""What `cerebrium.toml`, the Dockerfile and the files must say alike; each fault is one sentence."""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Iterator
from pathlib import Path

from imgcls_cerebrium.config import CerebriumConfig
from imgcls_cerebrium.dockerfile import Dockerfile, read_dockerfile
from imgcls_cerebrium.hardware import Plan
from imgcls_cerebrium.limits import hardware_faults, scaling_faults
from imgcls_cerebrium.upload import files_to_upload, matches, unwanted

MAX_FILE_BYTES = 1_000_000_000
MAX_UPLOAD_BYTES = 2_000_000_000
GPU_BATCH = 32
"""The service's own batch on a GPU, where IMGCLS_MAX_BATCH does not say otherwise."""

LEAST_QUEUE = 128
"""The least queue of a service whose IMGCLS_QUEUE_SIZE is not set."""

DRAIN_MARGIN_S = 15
"""The platform kills when the grace period is over; below this nothing is left for the end of the process."""


def find_faults(config: CerebriumConfig, root: Path, *, plan: Plan, complete: bool) -> list[str]:
    """Compares the configuration with the platform's limits, the Dockerfile and the files under `root`.

    Args:
        config: what `cerebrium.toml` says.
        root: the repository's root, from which the deployment is started.
        plan: the plan whose limits hold.
        complete: whether files that are made and not committed (the artifact) must be there.

    Returns:
        One sentence for each fault; empty when all agree.
    """
    faults = [*hardware_faults(config.hardware, config.scaling, plan), *scaling_faults(config.scaling)]
    path = config.runtime.custom.dockerfile_path.removeprefix("./")
    if not (root / path).is_file():
        return [*faults, f"runtime.custom.dockerfile_path is {path!r}; there is no such file under {root}."]
    dockerfile = read_dockerfile(root / path)
    return [
        *faults,
        *_dockerfile_faults(config, dockerfile),
        *_upload_faults(config, dockerfile, root, path, complete=complete),
    ]


def _dockerfile_faults(config: CerebriumConfig, dockerfile: Dockerfile) -> Iterator[str]:
    port = str(config.runtime.custom.port)
    if port not in dockerfile.exposed:
        yield f"runtime.custom.port is {port}; the Dockerfile exposes {', '.join(dockerfile.exposed) or 'nothing'}."
    if (listens := dockerfile.env.get("IMGCLS_PORT")) != port:
        yield f"runtime.custom.port is {port}; the service in the image listens on IMGCLS_PORT={listens}."
    if (host := dockerfile.env.get("IMGCLS_HOST")) != "0.0.0.0":  # noqa: S104 - in a container, all addresses are its own
        yield f"The Dockerfile sets IMGCLS_HOST={host}; in a container it must be 0.0.0.0."
    if not dockerfile.command:
        yield 'The Dockerfile has no CMD in exec form (["imgcls-serve"]); a shell as first process swallows SIGTERM.'
    if dockerfile.user.split(":")[0] in {"root", "0"}:
        yield "The Dockerfile runs as root; end it with a USER."
    cuda = dockerfile.args.get("CUDA", "")
    if config.hardware.has_gpu != bool(cuda):
        yield (
            f"hardware.compute is {', '.join(config.hardware.kinds)}, but the Dockerfile has `ARG CUDA={cuda}`; "
            "change that line (12, 13, or empty for a CPU): the platform passes no build arguments."
        )
    concurrency = config.scaling.replica_concurrency
    batch = int(dockerfile.env.get("IMGCLS_MAX_BATCH") or 0) or (GPU_BATCH if cuda else 1)
    if concurrency < batch:
        yield f"scaling.replica_concurrency is {concurrency}; a batch of {batch} (IMGCLS_MAX_BATCH) would never fill."
    if concurrency > (queue := int(dockerfile.env.get("IMGCLS_QUEUE_SIZE", "0")) or LEAST_QUEUE):
        yield f"scaling.replica_concurrency is {concurrency}, above IMGCLS_QUEUE_SIZE={queue}: the rest would get 503."
    grace_s = config.scaling.response_grace_period
    drain_s = float(dockerfile.env.get("IMGCLS_DRAIN_TIMEOUT_S", "0"))
    if grace_s < drain_s + DRAIN_MARGIN_S:
        yield (
            f"scaling.response_grace_period is {grace_s} s; it must be at least {DRAIN_MARGIN_S} s above "
            f"IMGCLS_DRAIN_TIMEOUT_S={drain_s:g}, or accepted requests are killed."
        )


def _upload_faults(
    config: CerebriumConfig, dockerfile: Dockerfile, root: Path, dockerfile_path: str, *, complete: bool
) -> Iterator[str]:
    include, exclude = config.deployment.include, config.deployment.exclude

    def is_sent(path: str) -> bool:
        return matches(path, include) and not matches(path, exclude)

    if not is_sent(dockerfile_path):
        yield f"deployment.include does not send {dockerfile_path!r}; the build would have no Dockerfile."
    sent = files_to_upload(root, include=include, exclude=exclude)
    for source in dockerfile.copied:
        path = source.removeprefix("./").rstrip("/")
        below = [name for name in sent if name.startswith(f"{path}/") or fnmatch.fnmatch(name, path)]
        if not below and (complete or (root / path).exists() or not is_sent(path)):
            there = "does not send it" if (root / path).exists() else "finds no such file"
            hint = "; make it with `uv run imgcls-convert MODEL`" if path.endswith(".onnx") and is_sent(path) else ""
            yield f"The Dockerfile copies {source!r}, but deployment.include {there}{hint}."
        for name in _package_files(root, path):
            if not is_sent(name):
                yield f"The Dockerfile copies {source!r}, but deployment.include does not send {name!r} in it."
    for path in unwanted(sent):
        yield f"deployment.include sends {path!r}, which must not leave this machine; narrow it or exclude it."
    yield from _size_faults({path: (root / path).stat().st_size for path in sent})


def _size_faults(sizes: dict[str, int]) -> Iterator[str]:
    for path, size in sizes.items():
        if size > MAX_FILE_BYTES:
            yield f"{path} has {size / 1e9:.1f} GB; the platform takes files up to 1 GB. Put it on its storage instead."
    if sum(sizes.values()) > MAX_UPLOAD_BYTES:
        yield f"The upload has {sum(sizes.values()) / 1e9:.1f} GB; the platform takes 2 GB."


def _package_files(root: Path, folder: str) -> list[str]:
    """What a Python package in a folder is built from; nothing where there is none."""
    if not (root / folder / "pyproject.toml").is_file():
        return []
    project = tomllib.loads((root / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    files = (root / folder / "src").rglob("*")
    sources = [path for path in files if path.is_file() and path.parent.name != "__pycache__"]
    beside = ["pyproject.toml", project["readme"], *project.get("license-files", [])]
    return [path.relative_to(root).as_posix() for path in [*(root / folder / name for name in beside), *sources]]
