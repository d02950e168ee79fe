"""PyTorch network → ONNX network with its softmax. One call to the exporter."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from imgcls_core.artifact import NETWORK_INPUT, OUTPUT_NAME
from imgcls_networks.exception_text import root_cause
from imgcls_networks.probability_network import ProbabilityNetwork, to_probabilities
from onnx import ModelProto, helper, numpy_helper
from torch import nn

from imgcls_convert.errors import ExportError

OPSET: Final = 18  # the first with an antialiased resize; read by every ONNX Runtime since 1.14
IR_VERSION: Final = 10  # onnx writes newer ones by default, which today's runtimes do not read
_EXPORT_BATCH: Final = 2  # not 1: the exporter would take a batch of one for a constant


def export_network(classifier: ProbabilityNetwork, size: tuple[int, int]) -> ModelProto:
    """Exports a network whose output becomes probabilities.

    Args:
        classifier: the network, and what its output is.
        size: height and width of its input, in pixels.

    Returns:
        `NETWORK_INPUT` float32 [N, 3, height, width] → `probabilities` float32 [N, classes], for any N.

    Raises:
        ExportError: PyTorch cannot express the network at opset 18 with a free batch size.
    """
    example = torch.zeros(_EXPORT_BATCH, 3, *size)
    scripted = any(isinstance(part, torch.jit.ScriptModule) for part in classifier.modules())
    try:
        with _quiet():
            model = _export_scripted(classifier, example) if scripted else _export_program(classifier, example)
    except Exception as error:  # the exporters raise many kinds, some of their own
        raise ExportError(
            f"PyTorch cannot export this network to ONNX with a free batch size: {root_cause(error)}."
        ) from error
    domains = sorted({node.domain for node in model.graph.node if node.domain})
    if domains or model.functions:
        raise ExportError(
            f"The network needs operators outside standard ONNX ({', '.join(domains) or 'model functions'}), "
            "which ONNX Runtime does not have everywhere."
        )
    _forget_provenance(model.graph)
    _keep_padding(model.graph)
    model.ir_version = IR_VERSION
    return model


def _export_program(classifier: ProbabilityNetwork, example: torch.Tensor) -> ModelProto:
    program = torch.onnx.export(
        classifier,
        (example,),
        dynamo=True,
        opset_version=OPSET,
        input_names=[NETWORK_INPUT],
        output_names=[OUTPUT_NAME],
        dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        external_data=False,
        verbose=False,
    )
    if program is None:
        raise ExportError("PyTorch's exporter gave nothing")
    return program.model_proto


def _export_scripted(classifier: ProbabilityNetwork, example: torch.Tensor) -> ModelProto:
    """Uses the exporter that was made for TorchScript, which cannot pass through torch.export."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        torch.onnx.export(
            torch.jit.script(_Scripted(classifier)),
            (example,),
            str(file),
            dynamo=False,
            opset_version=OPSET,
            input_names=[NETWORK_INPUT],
            output_names=[OUTPUT_NAME],
            dynamic_axes={NETWORK_INPUT: {0: "N"}, OUTPUT_NAME: {0: "N"}},
        )
        return onnx.load(file)


class _Scripted(nn.Module):
    """As ProbabilityNetwork, without what TorchScript cannot compile: answers that wrap their logits."""

    def __init__(self, classifier: ProbabilityNetwork) -> None:
        super().__init__()
        self.network = classifier.network
        self.output_kind: str = classifier.output_kind.name
        self.temperature: float = classifier.temperature

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return to_probabilities(self.network(pixels), self.output_kind, self.temperature)


def _keep_padding(graph: onnx.GraphProto) -> None:
    """Separates paddings from the maximum behind them.

    ONNX Runtime (1.31 at least) takes a padding with zeros into the MaxPool that follows, whose own padding never wins:
    negative numbers at the edge would pass where zero is the maximum.
    """
    padded = {node.output[0] for node in graph.node if node.op_type == "Pad"}
    for pool in [node for node in graph.node if node.op_type == "MaxPool" and node.input[0] in padded]:
        source, kept = pool.input[0], f"{pool.input[0]}/kept"
        lowest = numpy_helper.from_array(np.array(np.finfo(np.float32).min), f"{kept}/lowest")
        graph.initializer.append(lowest)
        graph.node.insert(
            list(graph.node).index(pool), helper.make_node("Max", [source, lowest.name], [kept], name=f"{kept}/node")
        )
        pool.input[0] = kept


def _forget_provenance(graph: onnx.GraphProto) -> None:
    """Drops the exporter's stack traces: they name folders of this machine and differ on every other."""
    for part in (*graph.node, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Keeps the exporter's chatter (prints, warnings, logs) away from a user; errors still come as exceptions."""
    logging_was = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            open(os.devnull, "w", encoding="utf-8") as nowhere,  # noqa: PTH123
            contextlib.redirect_stderr(nowhere),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging_was)
