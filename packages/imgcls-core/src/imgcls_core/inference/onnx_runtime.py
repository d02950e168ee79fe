"""The only module that imports ONNX Runtime: loads an artifact and runs batches."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from imgcls_core.artifact.metadata import INPUT_NAME, OUTPUT_NAME
from imgcls_core.artifact.props import with_props
from imgcls_core.cpus import allotted_cpus
from imgcls_core.errors import (
    ArtifactNotFoundError,
    ArtifactSignatureError,
    ArtifactUnreadableError,
    InferenceError,
    ProviderUnavailableError,
    RuntimeMissingError,
)
from imgcls_core.inference.providers import RUNTIME_NAME, ProviderChoice, choose_provider, find_gpu

_INPUT_SHAPE: Final = "uint8 [N, H, W, 3]"
# Smaller tensors stay in the graph; a page is 4 KB.
_LEAST_MAPPED_BYTES: Final = 1024


def import_runtime() -> ModuleType:
    """Imports ONNX Runtime with its telemetry off.

    Since 1.29 a bare import on Linux writes a device id under the home folder and may report use; the variable
    must be set before the import.

    Raises:
        RuntimeMissingError: it is not installed.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime  # noqa: PLC0415 - costs 150 ms and must come after the variable
    except ModuleNotFoundError:
        raise RuntimeMissingError from None
    return onnxruntime


class OnnxRuntimeSession:
    """One ONNX Runtime session over one artifact.

    Args:
        path: the .onnx file.
        provider: "auto", "cuda" or "cpu".
        threads: processors for one call on the CPU; None takes all that this process may use.
        is_optimised: whether `write_optimised` wrote the file: its weights are then mapped into memory instead of read,
            and shared with all who map them. Such sessions share one arena for what they calculate, too.

    Raises:
        ArtifactNotFoundError: no such file.
        ArtifactUnreadableError: ONNX Runtime cannot load it.
        ArtifactSignatureError: inputs or outputs are not those of an artifact.
        ProviderUnavailableError: the provider that was asked for cannot be used.
        RuntimeMissingError: ONNX Runtime is not installed.
    """

    def __init__(
        self, path: Path, *, provider: str = "auto", threads: int | None = None, is_optimised: bool = False
    ) -> None:
        if not path.is_file():
            raise ArtifactNotFoundError(str(path))
        runtime = import_runtime()
        choice = choose_provider(provider, available=runtime.get_available_providers(), gpu=find_gpu())
        options = _options(runtime, threads or allotted_cpus())
        if is_optimised:
            _share_arena(runtime)
            options.add_session_config_entry("session.use_env_allocators", "1")
            # Else what is not mapped lies in the arena, which keeps its place when the session has gone.
            options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
            options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = _create_session(runtime, path, choice, options)
        self.provider: str = "cuda" if RUNTIME_NAME["cuda"] in self._session.get_providers() else "cpu"
        self.provider_reason = choice.reason
        if self.provider != choice.name:
            reason = "its libraries cannot be loaded (install the extra `imgcls-core[cuda12]` or `[cuda13]`)"
            if provider != "auto":
                raise ProviderUnavailableError(choice.name, reason)
            self.provider_reason = f"{choice.name}: {reason}"
        self.classes = _check_signature(self._session, path)

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Answers a batch.

        Args:
            images: RGB uint8 [N, H, W, 3], N at least 1.

        Returns:
            Probabilities float32 [N, classes]; rows sum to 1.

        Raises:
            InferenceError: the runtime failed.
        """
        try:
            (probabilities,) = self._session.run([OUTPUT_NAME], {INPUT_NAME: images})
        except Exception as error:
            raise InferenceError(" ".join(str(error).split())[:500]) from error
        return cast("NDArray[np.float32]", probabilities)


def chosen_provider(requested: str) -> str:
    """Gives the provider on which a session would be created now: "cuda" or "cpu".

    Raises:
        ProviderUnavailableError: the one that was asked for cannot be used.
        RuntimeMissingError: ONNX Runtime is not installed.
    """
    return choose_provider(requested, available=import_runtime().get_available_providers(), gpu=find_gpu()).name


def write_optimised(path: Path, graph: Path) -> None:
    """Writes an artifact's graph as ONNX Runtime optimises it for the CPU of this machine, and its weights beside it.

    The weights are laid out as the kernels want them, so that whoever maps them needs no copy. The metadata is left
    out: ONNX Runtime holds it three times over, 8 MB for a network with golden cases.

    Args:
        path: the artifact.
        graph: is written; a file of its name and `.weights` too, unless there are none worth mapping.

    Raises:
        ArtifactUnreadableError: ONNX Runtime cannot load the artifact, or not write.
        OSError: the graph cannot be written.
    """
    runtime = import_runtime()
    options = _options(runtime, 1)
    options.optimized_model_filepath = str(graph)
    for name, value in (
        ("session.optimized_model_external_initializers_file_name", f"{graph.name}.weights"),
        ("session.optimized_model_external_initializers_min_size_in_bytes", str(_LEAST_MAPPED_BYTES)),
        ("session.save_external_prepacked_constant_initializers", "1"),
    ):
        options.add_session_config_entry(name, value)
    _create_session(runtime, path, ProviderChoice("cpu", ""), options)
    graph.write_bytes(with_props(graph.read_bytes(), {}))


@cache
def _share_arena(runtime: ModuleType) -> None:
    info = runtime.OrtMemoryInfo("Cpu", runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, runtime.OrtMemType.DEFAULT)
    # It grows by what is asked for (1), not to the next power of two; the rest as by itself.
    runtime.create_and_register_allocator(info, runtime.OrtArenaCfg(0, 1, -1, -1))


def _options(runtime: ModuleType, threads: int) -> Any:  # noqa: ANN401
    options = runtime.SessionOptions()
    # Nothing: what matters is raised, fallbacks are checked by us, and its lines hold names of the file as they are.
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return options


def _create_session(runtime: ModuleType, path: Path, choice: ProviderChoice, options: Any) -> Any:  # noqa: ANN401
    providers: list[Any] = [RUNTIME_NAME["cpu"]]
    if choice.name == "cuda":
        runtime.preload_dlls()
        # TF32 keeps 10 bits of mantissa: that can move fp32 answers past the golden tolerance.
        providers.insert(0, (RUNTIME_NAME["cuda"], {"use_tf32": "0"}))
    try:
        return runtime.InferenceSession(str(path), sess_options=options, providers=providers)
    except Exception as error:
        raise ArtifactUnreadableError(str(path), " ".join(str(error).split())[:300]) from error


def _check_signature(session: Any, path: Path) -> int:  # noqa: ANN401 - onnxruntime is untyped
    inputs = [(i.name, i.type, len(i.shape), i.shape[-1:]) for i in session.get_inputs()]
    if inputs != [(INPUT_NAME, "tensor(uint8)", 4, [3])]:
        actual = ", ".join(f"{i.name!r} {i.type} {i.shape}" for i in session.get_inputs())
        raise ArtifactSignatureError(
            str(path), actual=f"inputs {actual}", expected=f"one input {INPUT_NAME!r}, {_INPUT_SHAPE}"
        )
    outputs = session.get_outputs()
    shape = outputs[0].shape
    if len(outputs) != 1 or outputs[0].name != OUTPUT_NAME or len(shape) != 2 or not isinstance(shape[1], int):
        actual = ", ".join(f"{o.name!r} {o.type} {o.shape}" for o in outputs)
        raise ArtifactSignatureError(
            str(path), actual=f"outputs {actual}", expected=f"one output {OUTPUT_NAME!r}, float32 [N, classes]"
        )
    return shape[1]
