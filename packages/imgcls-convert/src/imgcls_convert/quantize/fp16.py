"""A network in float16, with float32 input and output, for processors that are faster at it."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from imgcls_cli.progress import Progress
from imgcls_core.inference.onnx_runtime import import_runtime
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto

from imgcls_convert.quantize.layers import Build, reducible_layers

# Sums over many values and exponentials lose too much at 11 bits.
_FLOAT_OPS: Final = ("Softmax", "LogSoftmax", "ReduceMean", "GlobalAveragePool", "Exp", "Pow", "ReduceSum")


def prepare_fp16(
    model: ModelProto, inputs: Sequence[NDArray[np.float32]], progress: Progress
) -> tuple[Mapping[str, str], Build]:
    """Gives the layers that float16 can have, and what makes the network; nothing needs to be calibrated."""
    return reducible_layers(model, "fp16"), partial(half_precision, model)


def half_precision(model: ModelProto, float_layers: Collection[str]) -> ModelProto:
    """Converts a float32 network.

    Args:
        model: it stays as it is.
        float_layers: names of nodes that stay float32.

    Returns:
        A network with the same float32 input and output.
    """
    import_runtime()  # with its telemetry off; the tool below comes with it
    tool: Any = importlib.import_module("onnxruntime.transformers.float16")
    copy = ModelProto()
    copy.CopyFrom(model)
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about values that are rounded to the nearest float16; that is the purpose
            half = tool.convert_float_to_float16(
                copy,
                keep_io_types=True,
                op_block_list=[*tool.DEFAULT_OP_BLOCK_LIST, *_FLOAT_OPS],
                node_block_list=list(float_layers),
            )
    finally:
        logging.disable(level)
    _keep_output(half)
    _sort(half)
    return half


def _keep_output(model: ModelProto) -> None:
    """Lets the output come from the float32 softmax itself: the tool rounds it to float16 on its way out."""
    output = model.graph.output[0].name
    makers = {name: node for node in model.graph.node for name in node.output}
    last = makers[output]
    before = makers.get(last.input[0])
    if last.op_type == "Cast" and before is not None and before.op_type == "Cast":
        source = makers[before.input[0]]
        source.output[0] = output
        model.graph.node.remove(last)
        model.graph.node.remove(before)


def _sort(model: ModelProto) -> None:
    """Puts nodes behind the nodes that they read; the tool appends its casts at the end."""
    made = {name for node in model.graph.node for name in node.output}
    ready = {value.name for value in model.graph.input} | {tensor.name for tensor in model.graph.initializer} | {""}
    waiting: list[NodeProto] = list(model.graph.node)
    ordered: list[NodeProto] = []
    while waiting:
        later: list[NodeProto] = []
        for node in waiting:
            if all(name in ready or name not in made for name in node.input):
                ordered.append(node)
                ready.update(node.output)
            else:
                later.append(node)
        if len(later) == len(waiting):
            raise ValueError("the converted network has a cycle")
        waiting = later
    del model.graph.node[:]
    model.graph.node.extend(ordered)
