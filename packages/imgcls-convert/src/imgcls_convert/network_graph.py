"""Small questions about an ONNX graph: who makes a tensor, who reads it, what is constant."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper


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
        """Whether it is an initializer."""
        return name in self._constants

    def constant(self, name: str) -> NDArray[np.float32]:
        """The values of an initializer."""
        return numpy_helper.to_array(self._constants[name])

    def maker(self, name: str) -> NodeProto | None:
        """The node that gives the tensor; None for inputs and constants."""
        return self._maker.get(name)

    def readers(self, name: str) -> list[NodeProto]:
        """The nodes that take the tensor."""
        return self._readers.get(name, [])

    def activations(self, node: NodeProto) -> list[str]:
        """Inputs that change from image to image."""
        return [name for name in node.input if name and name not in self._constants]


def attribute(node: NodeProto, name: str, default: int) -> int:
    """An integer attribute of a node."""
    return next((entry.i for entry in node.attribute if entry.name == name), default)
