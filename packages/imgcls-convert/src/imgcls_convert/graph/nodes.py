"""Nodes and constants of a graph that is built step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper


class Nodes:
    """Nodes and constants of one graph or of one branch; names are unique within the whole model."""

    def __init__(self, prefix: str, constants: list[TensorProto]) -> None:
        self.prefix = prefix
        self.nodes: list[NodeProto] = []
        self.constants = constants  # shared: branches see the constants of the graph around them

    def constant(self, value: np.ndarray | np.generic) -> str:
        """Adds a constant; all of these give the name of what they add."""
        name = f"pre/constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def i64(self, *values: int) -> str:
        """Adds whole numbers, int64 [values]."""
        return self.constant(np.array(values, np.int64))

    def f64(self, value: float) -> str:
        """Adds a number, float64 []."""
        return self.constant(np.float64(value))

    def i32(self, value: int) -> str:
        """Adds a whole number, int32 []."""
        return self.constant(np.int32(value))

    def __call__(
        self,
        op: str,
        *inputs: str,
        output: str | None = None,
        **attributes: Any,  # noqa: ANN401 - numbers, lists, tensors and graphs
    ) -> str:
        """Adds a node."""
        output = output or f"{self.prefix}/{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=f"{output}/node", **attributes))
        return output

    def split(self, value: str, sizes: Sequence[int], *, axis: int = 0) -> list[str]:
        """Adds a node that divides a tensor; one of a single part is the tensor itself."""
        if len(sizes) == 1:
            return [value]
        outputs = [f"{self.prefix}/Split_{len(self.nodes)}_{place}" for place in range(len(sizes))]
        node = helper.make_node("Split", [value, self.i64(*sizes)], outputs, name=f"{outputs[0]}/node", axis=axis)
        self.nodes.append(node)
        return outputs

    def branch(self, name: str) -> Nodes:
        """Begins a branch of this graph."""
        return Nodes(f"{self.prefix}/{name}", self.constants)

    def choose(self, condition: str, then_branch: Nodes, then_value: str, else_branch: Nodes, else_value: str) -> str:
        """Adds a node that takes one of two values, uint8, and computes that one alone."""
        graphs: list[GraphProto] = []
        for nodes, value in ((then_branch, then_value), (else_branch, else_value)):
            result = nodes("Identity", value)
            info = helper.make_tensor_value_info(result, TensorProto.UINT8, None)
            graphs.append(helper.make_graph(nodes.nodes, nodes.prefix, [], [info]))
        return self("If", condition, then_branch=graphs[0], else_branch=graphs[1])
