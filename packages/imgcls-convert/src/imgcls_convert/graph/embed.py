"""The network of an ONNX file from elsewhere as the network of an artifact: same nodes, another beginning and end."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np
import torch
from imgcls_core.artifact import GOLDEN_TOLERANCE, NETWORK_INPUT, OUTPUT_NAME
from imgcls_core.inference.onnx_runtime import import_runtime
from imgcls_networks.architectures.onnx_file import OnnxNetwork
from imgcls_networks.exception_text import one_line
from imgcls_networks.foreign.onnx_graph import OnnxGraph
from imgcls_networks.probability_network import OutputKind, ProbabilityNetwork
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from imgcls_convert.errors import ExportError

_PREFIX = "net/"
_PROBES = 3  # images at a time that a graph for any number must answer as one by one


def embed_network(classifier: ProbabilityNetwork, size: tuple[int, int]) -> ModelProto:
    """Gives `NETWORK_INPUT` float32 [N, 3, height, width] → `probabilities` float32 [N, classes], for any N.

    A file that was exported for a fixed number of images is freed of it, and shown to answer as before.

    Args:
        classifier: of an `OnnxNetwork`.
        size: height and width of its input, in pixels.

    Raises:
        ExportError: it cannot take another number of images at a time.
    """
    network = classifier.network
    if not isinstance(network, OnnxNetwork):
        raise TypeError(type(network))
    model = _adapted(network.graph, classifier.output_kind, classifier.classes)
    probes = torch.rand(_PROBES, 3, *size, generator=torch.Generator().manual_seed(7))
    if network.graph.element == "uint8":
        probes = (probes * 255).round()
    with torch.inference_mode():
        expected = classifier(probes).numpy()
    tolerance = GOLDEN_TOLERANCE[network.graph.precision]
    reason = _difference(model, probes.numpy(), expected, tolerance)
    if reason is not None and _free_reshapes(model.graph, network.graph.batch or 1):
        reason = _difference(model, probes.numpy(), expected, tolerance)
    if reason is not None:
        raise ExportError(
            f"The network answers {_PROBES} images at a time otherwise than one by one ({reason}); a service batches. "
            "Export it with a free batch size: `dynamic_axes={'INPUT': {0: 'N'}, 'OUTPUT': {0: 'N'}}` for "
            "torch.onnx.export, an input of `None` images for tf2onnx."
        )
    return model


def _adapted(graph: OnnxGraph, kind: OutputKind, classes: int) -> ModelProto:
    """Puts the form of the input before the nodes, and what makes probabilities behind them."""
    model = ModelProto()
    model.CopyFrom(graph.model)
    _rename(model.graph)
    before: list[NodeProto] = []
    x = NETWORK_INPUT
    if graph.channels_last:
        before.append(helper.make_node("Transpose", [x], [x := f"{_PREFIX}in/last"], perm=[0, 2, 3, 1]))
    element = helper.np_dtype_to_tensor_dtype(np.dtype(graph.element))
    before.append(helper.make_node("Cast", [x], [f"{_PREFIX}{graph.input}"], to=element))

    shape = numpy_helper.from_array(
        np.array([-1, 1 if kind.name.startswith("ONE") else classes], np.int64), "out/shape"
    )
    rows = OUTPUT_NAME if kind is OutputKind.SOFTMAX else "out/rows"
    after = [
        helper.make_node("Cast", [f"{_PREFIX}{graph.output}"], ["out/float"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["out/float", shape.name], [rows]),
        *_to_probabilities(kind),
    ]
    initial = [shape, *model.graph.initializer]
    if kind is OutputKind.ONE_PROBABILITY:
        initial.append(numpy_helper.from_array(np.array(1, np.float32), "out/one"))
    whole = helper.make_graph(
        [*before, *model.graph.node, *after],
        "network",
        [helper.make_tensor_value_info(NETWORK_INPUT, TensorProto.FLOAT, ["N", 3, None, None])],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["N", classes])],
        initial,
    )
    imports = [helper.make_opsetid("", max(entry.version for entry in model.opset_import))]
    return helper.make_model(whole, opset_imports=imports, ir_version=10)


def _to_probabilities(kind: OutputKind) -> Iterator[NodeProto]:
    """As `to_probabilities` of networks, from [N, classes] or [N, 1]."""
    if kind is OutputKind.SOFTMAX:
        return
    if kind is OutputKind.LOGITS:
        yield helper.make_node("Softmax", ["out/rows"], [OUTPUT_NAME], axis=1)
    elif kind is OutputKind.ONE_PROBABILITY:
        yield helper.make_node("Sub", ["out/one", "out/rows"], ["out/absent"])
        yield helper.make_node("Concat", ["out/absent", "out/rows"], [OUTPUT_NAME], axis=1)
    else:
        yield helper.make_node("Sub", ["out/rows", "out/rows"], ["out/zero"])
        yield helper.make_node("Concat", ["out/zero", "out/rows"], ["out/both"], axis=1)
        yield helper.make_node("Softmax", ["out/both"], [OUTPUT_NAME], axis=1)


def _rename(graph: GraphProto) -> None:
    """Gives every tensor a name that nothing else in the artifact has; drops names and notes of nobody's use."""
    for value in chain(graph.input, graph.output, graph.initializer):
        value.name = f"{_PREFIX}{value.name}"
    del graph.value_info[:]
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [f"{_PREFIX}{name}" if name else "" for name in names]
        node.name = ""
        node.doc_string = ""
        del node.metadata_props[:]
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                _rename(inner)


def _free_reshapes(graph: GraphProto, batch: int) -> bool:
    """Frees reshapes of the number of images that is written into them; says whether there were any."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    freed = 0
    for node in graph.node:
        if node.op_type != "Reshape" or node.input[1] not in constants:
            continue
        shape = numpy_helper.to_array(constants[node.input[1]]).tolist()
        if shape[:1] != [batch]:
            continue
        if 0 in shape:
            continue
        shape[0] = 0 if -1 in shape else -1
        del node.attribute[:]  # that a 0 is no copy of the input's
        name = f"out/free_{freed}"
        graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), name))
        node.input[1] = name
        freed += 1
    return freed > 0


def _difference(model: ModelProto, images: np.ndarray, expected: np.ndarray, tolerance: float) -> str | None:
    """Says how the model answers otherwise than expected; None where it does not."""
    try:
        found = _answers(model, images)
    except ExportError as error:
        return str(error)
    if found.shape != expected.shape:
        return f"it gives {list(found.shape)}"
    distance = float(np.abs(found - expected).max())
    return None if distance <= tolerance else f"max |Δp| {distance:.1e}"


def _answers(model: ModelProto, images: np.ndarray) -> np.ndarray:
    runtime = import_runtime()
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # what matters is raised
    try:
        session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return session.run([OUTPUT_NAME], {NETWORK_INPUT: images})[0]
    except Exception as error:  # ONNX Runtime raises many kinds
        raise ExportError(one_line(error)) from error
