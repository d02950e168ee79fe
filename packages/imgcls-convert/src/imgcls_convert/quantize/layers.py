"""Questions about an ONNX network: which layers have weights, who makes a tensor, who reads it, what is constant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np
from imgcls_core.artifact import Precision
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from imgcls_convert.errors import ConversionError

# Makes a reduced network, given the names of the layers that stay float.
Build: TypeAlias = Callable[[Sequence[str]], ModelProto]

WEIGHTED: Final = ("Conv", "Gemm", "MatMul")


def reducible_layers(model: ModelProto, precision: Precision) -> dict[str, str]:
    """Gives the layers that have weights, in the order of the graph: name → as PyTorch calls it, where that is kept.

    Raises:
        ConversionError: there is none.
    """
    graph = NetworkGraph(model)
    layers = {
        node.name: node.input[1].removeprefix("network.").removesuffix(".weight")
        for node in graph.nodes
        if has_constant_weight(graph, node)
    }
    if not layers:
        raise ConversionError(
            f"The network has no convolution or matrix product with weights, so {precision} changes nothing; "
            "convert it with `--precision fp32`."
        )
    return layers


class NetworkGraph:
    """An index over the nodes and constants of a model without sub-graphs.

    Args:
        model: it must not change while the index is in use.
    """

    def __init__(self, model: ModelProto) -> None:
        self.model = model
        self.nodes: list[NodeProto] = list(model.graph.node)
        self.outputs = {value.name for value in model.graph.output}
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._maker = {name: node for node in self.nodes for name in node.output}
        self._readers: dict[str, list[NodeProto]] = defaultdict(list)
        for node in self.nodes:
            for name in node.input:
                self._readers[name].append(node)

    def is_constant(self, name: str) -> bool:
        """Says whether it is an initializer."""
        return name in self._constants

    def constant(self, name: str) -> NDArray[np.float32]:
        """Gives the values of an initializer."""
        return numpy_helper.to_array(self._constants[name])

    def maker(self, name: str) -> NodeProto | None:
        """Gives the node that gives the tensor; None for inputs and constants."""
        return self._maker.get(name)

    def readers(self, name: str) -> list[NodeProto]:
        """Gives the nodes that take the tensor."""
        return self._readers.get(name, [])

    def activations(self, node: NodeProto) -> list[str]:
        """Inputs that change from image to image."""
        return [name for name in node.input if name and name not in self._constants]


def has_constant_weight(graph: NetworkGraph, node: NodeProto) -> bool:
    """Says whether a layer's weights are known beforehand, in a form that can be reduced."""
    if node.op_type not in WEIGHTED or not graph.is_constant(node.input[1]):
        return False
    if node.op_type == "Gemm":
        plain = all(entry.f == 1.0 for entry in node.attribute if entry.name in {"alpha", "beta"})
        return plain and not attribute(node, "transA", 0)
    return node.op_type == "Conv" or graph.constant(node.input[1]).ndim == 2


def attribute(node: NodeProto, name: str, default: int) -> int:
    """Gives an integer attribute of a node."""
    return next((entry.i for entry in node.attribute if entry.name == name), default)
