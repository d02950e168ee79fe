"""The network alone, cut out of an artifact behind its preprocessing, by batch size and by the way it is run.

The preprocessing has a branch by the image's size, which a CUDA graph cannot hold; pixels of the native size need none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from imgcls_core.artifact import OUTPUT_NAME
from imgcls_core.inference.onnx_runtime import import_runtime
from numpy.typing import NDArray
from onnx import NodeProto, helper

NETWORK_INPUT: Final = "network_input"
_CPU: Final = "CPUExecutionProvider"
_CUDA: Final = "CUDAExecutionProvider"
_TENSORRT: Final = "TensorrtExecutionProvider"
# What each way needs of ONNX Runtime, and its options. TF32 would move float32's answers past the golden tolerance.
WAYS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "plain": ("", {}),
    "IO binding": ("", {}),
    "CUDA graph": (_CUDA, {"enable_cuda_graph": "1"}),
    "TensorRT": (_TENSORRT, {}),
}


def cut(artifact: Path) -> bytes:
    """Gives the network behind `network_input` as a model of its own: float [N, 3, height, width] → probabilities."""
    model = onnx.load(artifact)
    graph = model.graph
    start = next(place for place, node in enumerate(graph.node) if NETWORK_INPUT in node.output) + 1
    nodes = list(graph.node)[start:]
    read = {*_names_read(nodes)}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.node[:], graph.initializer[:], graph.input[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    shape = ["N", 3, "height", "width"]
    graph.input.append(helper.make_tensor_value_info(NETWORK_INPUT, onnx.TensorProto.FLOAT, shape))
    return model.SerializeToString()


def measure(
    artifact: Path, size: tuple[int, int], *, provider: str, batches: Iterable[int], seconds: float, threads: int
) -> Iterator[dict[str, Any]]:
    """Gives a row for each way and batch: images/s, ms a batch, and how far its answers are from the CPU's."""
    model = cut(artifact)
    reference = _session(model, _CPU, {}, threads)
    for way, (needs, options) in WAYS.items():
        name = needs or (_CUDA if provider == "cuda" else _CPU)
        if why_not := _lacking(name, provider):
            yield {"way": way, "left_out": why_not}
            continue
        for batch in batches:
            generator = np.random.default_rng(batch)
            pixels = generator.standard_normal((batch, 3, *size), dtype=np.float32)
            (expected,) = reference.run([OUTPUT_NAME], {NETWORK_INPUT: pixels})
            try:
                session = _session(model, name, options, threads)
                if name not in session.get_providers():
                    yield {"way": way, "left_out": f"{name} cannot be loaded"}
                    break
                run = _plain(session, pixels) if way == "plain" else _bound(session, pixels, expected, provider)
                yield {"way": way, "batch": batch, **_timed(run, batch, seconds), **_compared(run(), expected)}
            except Exception as error:  # noqa: BLE001 - a way that this machine does not have is a line of the table
                yield {"way": way, "batch": batch, "left_out": " ".join(str(error).split())[:200]}


def _lacking(name: str, provider: str) -> str:
    if name != _CPU and provider != "cuda":
        return "needs a GPU"
    available = import_runtime().get_available_providers()
    return "" if name in available else f"the installed ONNX Runtime has no {name}"


def _session(model: bytes, name: str, options: dict[str, str], threads: int) -> Any:  # noqa: ANN401 - untyped
    runtime = import_runtime()
    settings = runtime.SessionOptions()
    settings.log_severity_level = 4
    settings.intra_op_num_threads = threads
    providers: list[Any] = [_CPU]
    if name != _CPU:
        runtime.preload_dlls()
        providers.insert(0, (_CUDA, {"use_tf32": "0", **(options if name == _CUDA else {})}))
    if name == _TENSORRT:
        providers.insert(0, (_TENSORRT, options))
    return runtime.InferenceSession(model, sess_options=settings, providers=providers)


def _plain(session: Any, pixels: NDArray[np.float32]) -> Callable[[], NDArray[np.float32]]:  # noqa: ANN401
    return lambda: session.run([OUTPUT_NAME], {NETWORK_INPUT: pixels})[0]


def _bound(
    session: Any,  # noqa: ANN401
    pixels: NDArray[np.float32],
    like: NDArray[np.float32],
    provider: str,
) -> Callable[[], NDArray[np.float32]]:
    """Binds input and output to memory of the device that stays; pixels go there and answers come back each time."""
    value = import_runtime().OrtValue
    device = "cuda" if provider == "cuda" else "cpu"
    taken = value.ortvalue_from_numpy(pixels, device, 0)
    given = value.ortvalue_from_numpy(np.zeros_like(like), device, 0)
    binding = session.io_binding()
    binding.bind_ortvalue_input(NETWORK_INPUT, taken)
    binding.bind_ortvalue_output(OUTPUT_NAME, given)

    def run() -> NDArray[np.float32]:
        taken.update_inplace(pixels)
        session.run_with_iobinding(binding)
        return given.numpy()

    return run


def _timed(run: Callable[[], object], batch: int, seconds: float) -> dict[str, float]:
    for _ in range(3):  # a graph is captured, kernels are chosen
        run()
    times, end_s = 0, (began_s := time.perf_counter()) + seconds
    while time.perf_counter() < end_s:
        run()
        times += 1
    taken_s = time.perf_counter() - began_s
    return {"images_per_s": round(times * batch / taken_s, 1), "ms_per_batch": round(taken_s / times * 1000, 3)}


def _compared(actual: NDArray[np.float32], expected: NDArray[np.float32]) -> dict[str, Any]:
    same = (actual.argmax(axis=1) == expected.argmax(axis=1)).mean()
    return {"max_difference": float(np.abs(actual - expected).max()), "same_class": float(same)}


def _names_read(nodes: Iterable[NodeProto]) -> Iterator[str]:
    for node in nodes:
        yield from node.input
        for entry in node.attribute:
            yield from _names_read(entry.g.node)
