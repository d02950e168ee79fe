"""The part of an artifact's graph that prepares an image, alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
from imgcls_core.artifact import INPUT_NAME, NETWORK_INPUT
from imgcls_core.inference.onnx_runtime import import_runtime
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper


def network_input_of(artifact: Path) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Takes it out of an artifact's file: uint8 [H, W, 3] → float32 [1, 3, height, width], on one processor."""
    model = onnx.load(artifact)
    graph = model.graph
    end = next(place for place, node in enumerate(graph.node) if NETWORK_INPUT in node.output) + 1
    del graph.node[end:], graph.output[:]
    read = {*_names_read(graph.node)}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    graph.output.append(helper.make_tensor_value_info(NETWORK_INPUT, TensorProto.FLOAT, None))
    runtime = import_runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda pixels: session.run([NETWORK_INPUT], {INPUT_NAME: np.ascontiguousarray(pixels[np.newaxis])})[0]


def _names_read(nodes: Iterable[NodeProto]) -> Iterator[str]:
    for node in nodes:
        yield from node.input
        for entry in node.attribute:
            yield from _names_read(entry.g.node)
