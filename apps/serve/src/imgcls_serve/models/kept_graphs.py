"""Artifacts' graphs as the runtime wants them, in files that are mapped into memory instead of read.

A session over such a file holds next to nothing of its own, is made in a tenth of the time, and shares its weights with
every session and process that maps the same file. The artifact stays what it is: all of this can be made of it again.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from imgcls_core import ArtifactMetadata
from imgcls_core.artifact.props import read_parts, with_props
from imgcls_core.inference.onnx_runtime import OnnxRuntimeSession, chosen_provider, write_optimised

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_PREFIX: Final = "imgcls-models-"
_LOCK: Final = "lock"
_GRAPH: Final = "graph.onnx"
_PROVIDERS: Final = frozenset({"auto", "cuda", "cpu"})
_METADATA: Final = "metadata.onnx"
# What a session takes beside its weights, and the service of an artifact's metadata, as measured on MobileNetV2.
SESSION_BYTES: Final = 3_000_000


@dataclass(frozen=True)
class KeptGraph:
    """The graph of one artifact, kept for one provider."""

    sha256: str
    folder: Path
    provider: str

    @property
    def bytes(self) -> int:
        """What a session over it takes, its mapped weights included."""
        return SESSION_BYTES + sum(one.stat().st_size for one in self.folder.glob(f"{_GRAPH}*"))

    def open(self, *, provider: str, threads: int) -> OnnxRuntimeSession:
        """Makes a session over it; raises as `OnnxRuntimeSession`."""
        is_optimised = self.provider == "cpu"
        return OnnxRuntimeSession(self.folder / _GRAPH, provider=provider, threads=threads, is_optimised=is_optimised)

    def remove(self) -> None:
        """Removes it; who has mapped it keeps what is mapped."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def metadata(self) -> ArtifactMetadata:
        """Reads the artifact's metadata, golden cases included; raises as `read_parts`."""
        file = self.folder / _METADATA
        return ArtifactMetadata.from_props(read_parts(file).props, path=str(file))


class KeptGraphs:
    """The folder of kept graphs: for each artifact, provider, version of the runtime and kind of processor one.

    Args:
        folder: where they are; None makes one of this process's own, which `close` removes.
        provider: for which they are kept: "auto", "cuda" or "cpu".
    """

    def __init__(self, folder: Path | None, *, provider: str) -> None:
        self._is_own = folder is None
        self.folder = folder or _own_folder()
        self._requested = provider

    @classmethod
    def of(cls, memory: int, folder: Path | None, provider: str) -> KeptGraphs | None:
        """Gives the graphs where settings ask for them, for the engine of which they can be kept; else None."""
        return cls(folder, provider=provider) if (memory or folder) and provider in _PROVIDERS else None

    def find(self, sha256: str) -> KeptGraph | None:
        """Gives the graph of the artifact with this hash, or None where none is kept."""
        kept = self._place(sha256)
        return kept if (kept.folder / _METADATA).is_file() else None

    def keep(self, artifact: Path, sha256: str) -> None:
        """Writes the graph of an artifact, whole or not at all; one that is there already stays.

        Raises:
            ArtifactError: the runtime cannot load the artifact.
            OSError: it cannot be written.
        """
        kept = self._place(sha256)
        if self.find(sha256) is not None:
            return
        with _written_whole(kept.folder) as folder:
            if kept.provider == "cpu":
                write_optimised(artifact, folder / _GRAPH)
            else:  # optimised at each load: what a GPU wants cannot be written
                (folder / _GRAPH).write_bytes(with_props(artifact.read_bytes(), {}))
            (folder / _METADATA).write_bytes(with_props(b"", read_parts(artifact).props))

    def forget(self, sha256: str) -> None:
        """Removes a graph that no model of this process is made of; others' are left alone."""
        if self._is_own:
            self._place(sha256).remove()

    def close(self) -> None:
        """Removes the folder where it is this process's own."""
        if self._is_own:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _place(self, sha256: str) -> KeptGraph:
        provider = _chosen(self._requested)
        return KeptGraph(sha256, self.folder / f"{sha256}-{provider}-{_machine()}", provider)


def _own_folder() -> Path:
    """Makes a folder for this process, and removes those of processes that were killed before they could."""
    for former in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError, RuntimeError):
            if former.stat().st_uid == os.geteuid() and _lock(former / _LOCK):
                shutil.rmtree(former)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    (folder / _LOCK).touch()
    _lock(folder / _LOCK)
    return folder


def _lock(file: Path) -> bool:
    """Locks a file until the process ends, unless another has; raises OSError where there is none."""
    if fcntl is None:
        return False
    descriptor = os.open(file, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True


@contextmanager
def _written_whole(folder: Path) -> Generator[Path]:
    """Gives a folder to write into, which then takes this name, unless another process was first."""
    part = Path(tempfile.mkdtemp(prefix="part-", dir=folder.parent))
    try:
        yield part
        with suppress(OSError):  # it is there
            part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@cache
def _chosen(requested: str) -> str:
    return chosen_provider(requested)


@cache
def _machine() -> str:
    """Names what a graph is optimised for: the runtime's version and the processor's instructions."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        found = re.search(r"^(?:flags|Features)\s*:.*$", lines, re.MULTILINE)
        return _digest(found[0] if found else platform.processor())
    return _digest(platform.processor())


def _digest(processor: str) -> str:
    builds: list[str] = []
    for name in ("onnxruntime", "onnxruntime-gpu"):
        with suppress(PackageNotFoundError):
            builds.append(f"{name} {version(name)}")
    return hashlib.sha256(f"{builds} {platform.machine()} {processor}".encode()).hexdigest()[:16]
