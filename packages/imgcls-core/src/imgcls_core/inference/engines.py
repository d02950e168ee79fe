"""Which engine runs an artifact: ONNX Runtime or OpenVINO."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from imgcls_core.artifact.metadata import ArtifactMetadata
from imgcls_core.inference.onnx_runtime import OnnxRuntimeSession
from imgcls_core.inference.openvino_runtime import OpenVinoRuntime
from imgcls_core.inference.providers import is_openvino
from imgcls_core.inference.runtime import Runtime


def load_runtime(
    path: Path, read_metadata: Callable[[], ArtifactMetadata], *, provider: str, threads: int | None
) -> Runtime:
    """Loads an artifact with the engine that was asked for.

    Args:
        path: the .onnx file.
        read_metadata: gives what it says of itself; a file that is no artifact may be refused before.
        provider: as `OnnxClassifier` takes it.
        threads: processors for one call on the CPU; None takes all that this process may use.

    Raises:
        ArtifactError: the file cannot be used.
        ProviderUnavailableError: the provider asked for cannot be used.
        RuntimeMissingError: no engine is installed.
    """
    if is_openvino(provider):
        return OpenVinoRuntime(path, read_metadata(), provider=provider, threads=threads)
    return OnnxRuntimeSession(path, provider=provider, threads=threads)
