"""PyTorch network → ONNX graph of the artifact: preprocessing, network, softmax. One call to the exporter."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Generator
from typing import Final

import onnx
import torch
from imgcls_core.artifact import INPUT_NAME, OUTPUT_NAME, Preprocessing
from onnx import ModelProto, TensorProto, helper
from torch import nn

from imgcls_convert.errors import ExportError
from imgcls_convert.preprocess_graph import NETWORK_INPUT, preprocess_nodes

OPSET: Final = 18  # the first with an antialiased resize; read by every ONNX Runtime since 1.14
IR_VERSION: Final = 10  # onnx writes newer ones by default, which today's runtimes do not read
_EXPORT_BATCH: Final = 2  # not 1: the exporter would take a batch of one for a constant


def count_outputs(network: nn.Module, size: tuple[int, int]) -> int:
    """Runs the network once and gives the length of its output.

    Raises:
        ExportError: it fails on an image of this size, or does not give one row of logits per image.
    """
    try:
        with torch.inference_mode():
            logits = network.float().eval()(torch.zeros(_EXPORT_BATCH, 3, *size))
    except Exception as error:  # a person's network may raise anything
        raise ExportError(
            f"The network fails on a {size[0]} × {size[1]} px image: {_one_line(error)}. Is `--image-size` right?"
        ) from error
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or logits.shape[0] != _EXPORT_BATCH:
        shape = list(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise ExportError(
            f"For {_EXPORT_BATCH} images the network gives {shape}; "
            f"a classifier gives logits [{_EXPORT_BATCH}, classes]."
        )
    return int(logits.shape[1])


def export_artifact_graph(network: nn.Module, preprocessing: Preprocessing, classes: int) -> ModelProto:
    """Builds the whole graph of the artifact, without its metadata.

    Args:
        network: gives logits float32 [N, classes] for float32 [N, 3, height, width].
        preprocessing: becomes part of the graph.
        classes: length of the output.

    Returns:
        A checked model: `images` uint8 [N, H, W, 3] → `probabilities` float32 [N, classes].

    Raises:
        ExportError: PyTorch cannot express the network at opset 18 with a free batch size.
    """
    model = _export_network(network, preprocessing.size)
    graph = model.graph
    logits = graph.output[0].name
    nodes, constants = preprocess_nodes(preprocessing)
    # The exported input is this name already, so the preprocessing only has to stand before the network's nodes.
    body = [*nodes, *graph.node, helper.make_node("Softmax", [logits], [OUTPUT_NAME], name="softmax", axis=1)]
    whole = helper.make_graph(
        body,
        "imgcls",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, ["N", "H", "W", 3])],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["N", classes])],
        [*constants, *graph.initializer],
    )
    artifact = helper.make_model(
        whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="imgcls-convert"
    )
    artifact.model_version = 1
    try:
        onnx.checker.check_model(artifact, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"The exported graph is not valid ONNX: {_one_line(error)}.") from error
    return artifact


def _export_network(network: nn.Module, size: tuple[int, int]) -> ModelProto:
    example = torch.zeros(_EXPORT_BATCH, 3, *size)
    try:
        with _quiet():
            program = torch.onnx.export(
                network.float().eval(),
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[NETWORK_INPUT],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # the exporter raises many kinds, some of its own
        raise ExportError(
            f"PyTorch cannot export this network to ONNX with a free batch size: {_root_cause(error)}."
        ) from error
    if program is None:
        raise ExportError("PyTorch's exporter gave nothing.")
    model = program.model_proto
    domains = sorted({node.domain for node in model.graph.node if node.domain})
    if domains or model.functions:
        raise ExportError(
            f"The network needs operators outside standard ONNX ({', '.join(domains) or 'model functions'}), "
            "which ONNX Runtime does not have everywhere."
        )
    return model


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Keeps the exporter's chatter (prints, warnings, logs) away from a person; errors still come as exceptions."""
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


def _root_cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return _one_line(error)


def _one_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")[:300]
