"""Classifiers from an ONNX file of another tool; ONNX Runtime answers for them, from the very file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from imgcls_core.cpus import allotted_cpus
from imgcls_core.inference.onnx_runtime import import_runtime
from numpy.typing import NDArray
from torch import Tensor, nn

from imgcls_networks.architectures.found import ExpectedInput, FoundNetwork
from imgcls_networks.errors import RequestError
from imgcls_networks.exception_text import one_line
from imgcls_networks.foreign.onnx_graph import OnnxGraph, read_graph
from imgcls_networks.models.reference import OnnxReference


class OnnxNetwork(nn.Module):
    """The network of a file, as ONNX Runtime runs it: normalised pixels float32 [N, 3, height, width] to scores.

    Args:
        path: the file itself, which answers.
        graph: what was read of it.

    Raises:
        RequestError: ONNX Runtime cannot load it.
    """

    def __init__(self, path: Path, graph: OnnxGraph) -> None:
        super().__init__()
        self.graph = graph
        runtime = import_runtime()
        options = runtime.SessionOptions()
        options.log_severity_level = 4  # what matters is raised
        options.intra_op_num_threads = allotted_cpus()
        # Several threads ask at once, and must not wait for each other at full speed.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session: Any = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises many kinds
            raise RequestError(f"ONNX Runtime cannot load {path.name!r}: {one_line(error)}.") from error

    def forward(self, pixels: Tensor) -> Tensor:
        """Answers a batch, in parts of the size that the file takes."""
        images = pixels.numpy()
        if self.graph.channels_last:
            images = images.transpose(0, 2, 3, 1)
        if self.graph.element == "uint8":
            images = images.round().clip(0, 255)
        images = np.ascontiguousarray(images.astype(self.graph.element))
        size = self.graph.batch or len(images)
        rows = [self._answer(images[start : start + size], size) for start in range(0, len(images), size)]
        return torch.from_numpy(np.concatenate(rows).astype(np.float32))

    def _answer(self, images: NDArray[Any], size: int) -> NDArray[Any]:
        missing = size - len(images)
        batch = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)]) if missing else images
        try:
            (rows,) = self._session.run([self.graph.output], {self.graph.input: batch})
        except Exception as error:  # ONNX Runtime raises many kinds
            raise RuntimeError(one_line(error)) from error
        if rows.ndim > 2 and max(rows.shape[1:]) == np.prod(rows.shape[1:]):
            rows = rows.reshape(len(rows), -1)  # [N, classes, 1, 1]
        return rows[: len(images)]


def find_onnx(model: OnnxReference, num_classes: int | None, *, own_weights: bool) -> FoundNetwork:
    """Takes what the file says of itself; how images become its input it does not say."""
    path = model.path
    graph = read_graph(path, model.output)
    output = f", output {model.output}" if model.output else ""
    beside = f", with {', '.join(graph.beside)} beside it" if graph.beside else ""
    return FoundNetwork(
        name=model.name,
        architecture=f"{path.name}{output}",
        build=lambda: OnnxNetwork(path, graph),
        asked_classes=num_classes,
        whole_file=path,
        about_weights=f"ONNX of {graph.made_by}{beside}",
        expected=ExpectedInput(graph.size, takes_levels=graph.element == "uint8", precision=graph.precision),
        yardstick=path.name,
    )
