"""Which engine runs an artifact: the one that was asked for, or the fastest of those that are installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from imgcls_core.artifact.metadata import ArtifactMetadata
from imgcls_core.inference.onnx_runtime import OnnxRuntimeSession
from imgcls_core.inference.openvino_runtime import OpenVinoRuntime
from imgcls_core.inference.providers import find_gpu, is_openvino
from imgcls_core.inference.runtime import Runtime


def load_runtime(
    path: Path,
    read_metadata: Callable[[], ArtifactMetadata],
    *,
    provider: str,
    threads: int | None,
    sha256: str,
    recall: bool = True,
) -> Runtime:
    """Loads an artifact with the engine that was asked for; where one alone is installed, nothing is measured.

    Args:
        path: the .onnx file.
        read_metadata: gives what it says of itself; a file that is no artifact may be refused before.
        provider: as `OnnxClassifier` takes it.
        threads: processors for one call on the CPU; None takes all that this process may use.
        sha256: of the file.
        recall: whether "auto" may go by what was measured before.

    Raises:
        ArtifactError: the file cannot be used.
        ProviderUnavailableError: the provider asked for cannot be used.
        RuntimeMissingError: no engine is installed.
    """
    if is_openvino(provider):
        return OpenVinoRuntime(path, read_metadata(), provider=provider, threads=threads)
    if provider == "auto" and find_spec("openvino") is not None:
        if find_spec("onnxruntime") is None:
            return OpenVinoRuntime(path, read_metadata(), threads=threads, reason="the only engine that is installed")
        if not find_gpu().present:
            # What only one engine needs not import: 20 ms of a start.
            from imgcls_core.inference.fastest import fastest_runtime  # noqa: PLC0415

            return fastest_runtime(path, read_metadata, threads=threads, sha256=sha256, recall=recall)
    return OnnxRuntimeSession(path, provider=provider, threads=threads)
