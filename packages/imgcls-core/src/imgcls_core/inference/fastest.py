"""The fastest of the installed engines that answers as the artifact says: measured once for artifact and processor."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

import numpy as np

from imgcls_core.artifact.metadata import ArtifactMetadata
from imgcls_core.cpus import allotted_cpus, processor_kind
from imgcls_core.errors import GoldenMismatchError, InferenceError, InvalidAnswerError, ProviderUnavailableError
from imgcls_core.inference.golden import check_golden, replay_golden
from imgcls_core.inference.onnx_runtime import OnnxRuntimeSession
from imgcls_core.inference.openvino_runtime import OpenVinoRuntime
from imgcls_core.inference.remembered import FastestEngine, recall_engine, remember_engine
from imgcls_core.inference.runtime import Runtime

_BUDGET_S: Final = 1.0
_ROUNDS: Final = 30
_LEAST_GAIN: Final = 0.95  # of ONNX Runtime's time; what is nearer changes from one measurement to the next
_ENGINES: Final = ("onnxruntime", "onnxruntime-gpu", "openvino")


def fastest_runtime(
    path: Path, read_metadata: Callable[[], ArtifactMetadata], *, threads: int | None, sha256: str, recall: bool
) -> Runtime:
    """Loads an artifact on the CPU with the faster of ONNX Runtime and OpenVINO.

    Args:
        path: the .onnx file.
        read_metadata: gives what it says of itself.
        threads: processors for one call; None takes all that this process may use.
        sha256: of the file.
        recall: whether a measurement of before counts; whoever takes it replays the golden cases.

    Raises:
        ArtifactError: the file cannot be used.
    """
    key = _key(sha256, threads or allotted_cpus())
    known = recall_engine(key) if recall else None
    if known is not None and known.engine == "openvino":
        try:
            return OpenVinoRuntime(path, read_metadata(), threads=threads, reason=f"{known.reason}; measured before")
        except ProviderUnavailableError:  # as it was not then
            known = None
    session = OnnxRuntimeSession(path, provider="cpu", threads=threads)
    if known is not None:
        session.provider_reason = f"{known.reason}; measured before"
        return session
    taken, session.provider_reason = _faster(path, session, read_metadata(), threads)
    engine = "cpu" if taken is session else "openvino"
    if isinstance(taken, OpenVinoRuntime):
        taken.provider_reason = session.provider_reason
    remember_engine(FastestEngine(key, engine, session.provider_reason))
    return taken


def _faster(
    path: Path, session: OnnxRuntimeSession, metadata: ArtifactMetadata, threads: int | None
) -> tuple[Runtime, str]:
    """Gives what is taken, and why."""
    if not metadata.golden:
        return session, "the artifact has no golden cases that could prove another engine"
    try:
        other = OpenVinoRuntime(path, metadata, threads=threads)
    except ProviderUnavailableError as error:
        return session, error.reason[:200]
    # What one thread takes of a processor can be told on a busy machine too; several are there for the time itself.
    clock = time.process_time if threads == 1 else time.perf_counter
    try:
        ours_ms, others_ms = _best_ms([session, other], metadata.preprocessing.native_size, clock)
    except InferenceError as error:
        return session, f"{other.provider}: {error}"[:200]
    times = f"{other.provider} takes {others_ms:.2g} ms an image, cpu {ours_ms:.2g} ms"
    if others_ms > ours_ms * _LEAST_GAIN:
        return session, times
    try:
        results, tolerance = replay_golden(other, metadata), metadata.golden_tolerance
        check_golden(results, path=str(path), tolerance=tolerance, provider=other.provider)
    except GoldenMismatchError as error:
        return session, f"{times}, and differs by {error.max_abs_diff:.1e} where {error.tolerance:.0e} is allowed"
    except (InferenceError, InvalidAnswerError):
        return session, f"{times}, and fails on the golden cases"
    return other, times


def _best_ms(runtimes: Sequence[Runtime], size: tuple[int, int], clock: Callable[[], float]) -> list[float]:
    """Gives each one's shortest time for an image of this size; they take turns, for a second at most in all."""
    image = np.random.default_rng(0).integers(0, 256, (1, *size, 3), dtype=np.uint8)
    for runtime in runtimes:
        runtime.run(image)  # the first call of an engine ends its building
    best = [math.inf] * len(runtimes)
    began_s = time.perf_counter()
    for done in range(1, _ROUNDS + 1):
        for place, runtime in enumerate(runtimes):
            start_s = clock()
            runtime.run(image)
            best[place] = min(best[place], (clock() - start_s) * 1000)
        if (time.perf_counter() - began_s) * (done + 1) / done > _BUDGET_S:
            break
    return best


def _key(sha256: str, threads: int) -> str:
    versions = sorted(f"{one.name} {one.version}" for name in _ENGINES for one in distributions(name=name))
    return hashlib.sha256("\n".join([sha256, processor_kind(), str(threads), *versions]).encode()).hexdigest()
