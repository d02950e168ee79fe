"""What a worker is told, and what it tells of a finished shard; both travel between processes and machines."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from imgcls_batch.output.run_document import RunDocument
from imgcls_batch.output.sessions import SlowImage


@dataclass(frozen=True)
class BatchJob:
    """A run, as a worker sees it.

    Args:
        run: what is asked and of which artifact.
        output: URL of OUTPUT.
        model: the artifact's file.
        provider: as `OnnxClassifier` takes it.
        timeout_s: for the bytes of one image.
        readers: threads that read ahead.
        threads: processors for one inference on the CPU.
        max_batch: images in one inference.
    """

    run: RunDocument
    output: str
    model: Path
    provider: str
    timeout_s: float
    readers: int
    threads: int
    max_batch: int


@dataclass(frozen=True)
class ShardTask:
    """A shard that is to be done; carefully, image by image, when a worker died on it."""

    shard: int
    is_careful: bool = False


@dataclass(frozen=True)
class ShardOutcome:
    """A finished shard; `bad` counts rows without an answer by code, `cpu_s` is processor time of its worker."""

    shard: int
    images: int
    bad: dict[str, int] = field(default_factory=dict[str, int])
    slowest: tuple[SlowImage, ...] = ()
    took_s: float = 0.0
    cpu_s: float = 0.0
