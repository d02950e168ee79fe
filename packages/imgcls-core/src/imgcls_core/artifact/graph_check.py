"""What a graph may hold, looked at before a runtime builds it: a file that came from outside must not run for ever.

A look at the protobuf, without the package onnx: which operators there are, and where the tensors lie.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Final, NoReturn

from imgcls_core.artifact.wire import Field, WireError, read_fields
from imgcls_core.errors import ArtifactUnreadableError, UnsafeGraphError

# Numbers of the fields in onnx.proto.
_MODEL_GRAPH, _MODEL_TRAINING, _MODEL_FUNCTIONS = 7, 20, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE_INITIALIZER = 1, 5, 15
_NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE_TENSORS = {5, 10}, {6, 11}, {22, 23}
_TENSOR_DIMS, _TENSOR_EXTERNAL_DATA, _TENSOR_LOCATION = 1, 13, 14

_OWN_DOMAINS: Final = frozenset({"", "ai.onnx"})
# They repeat a part of the graph as often as the data say.
_LOOPS: Final = frozenset({"Loop", "Scan", "SequenceMap"})
_MAX_DEPTH: Final = 8
_MAX_NODES: Final = 1_000_000
_MAX_ELEMENTS: Final = 1 << 31
_MAX_NAME_BYTES: Final = 1000


def check_graph(path: Path, content: bytes | None = None) -> None:
    """Raises if a file holds what no artifact has: foreign operators, loops, functions, tensors in other files.

    Args:
        path: the file.
        content: what to look at in its place, where it is in memory.

    Raises:
        ArtifactUnreadableError: it is not ONNX, or is cut off.
        UnsafeGraphError: says what it holds.
    """
    scan = _Scan(str(path))
    try:
        with path.open("rb") if content is None else io.BytesIO(content) as file:
            graphs = 0
            for field in read_fields(file):
                if field.number == _MODEL_GRAPH:
                    graphs += 1
                    scan.graph(field, depth=0)
                elif field.number == _MODEL_FUNCTIONS:
                    scan.refuse("defines functions")
                elif field.number == _MODEL_TRAINING:
                    scan.refuse("holds instructions for training")
            if graphs > 1:
                scan.refuse(f"stands {graphs} times in the file")
    except WireError as error:
        raise ArtifactUnreadableError(str(path), f"it is not ONNX, or is cut off ({error}).") from error


class _Scan:
    """Walks through a graph and its subgraphs."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._nodes = 0

    def refuse(self, reason: str) -> NoReturn:
        """Refuses the file."""
        raise UnsafeGraphError(self._path, reason)

    def graph(self, graph: Field, depth: int) -> None:
        """Looks at the nodes and tensors of one graph."""
        if depth > _MAX_DEPTH:
            self.refuse(f"nests more than {_MAX_DEPTH} deep")
        for field in graph.fields():
            if field.number == _GRAPH_NODE:
                self._node(field, depth)
            elif field.number == _GRAPH_INITIALIZER:
                self._tensor(field)
            elif field.number == _GRAPH_SPARSE_INITIALIZER:
                self.refuse("has sparse tensors")

    def _node(self, node: Field, depth: int) -> None:
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            self.refuse(f"has more than {_MAX_NODES:,} nodes")
        operator = domain = ""
        for field in node.fields():
            if field.number == _NODE_OPERATOR:
                operator = self._text(field)
            elif field.number == _NODE_DOMAIN:
                domain = self._text(field)
            elif field.number == _NODE_ATTRIBUTE:
                self._attribute(field, depth)
        if domain not in _OWN_DOMAINS:
            self.refuse(f"uses the operator {operator!r} of {domain!r}")
        if operator in _LOOPS:
            self.refuse(f"has a loop (operator {operator!r})")

    def _attribute(self, attribute: Field, depth: int) -> None:
        for field in attribute.fields():
            if field.number in _ATTRIBUTE_GRAPHS:
                self.graph(field, depth + 1)
            elif field.number in _ATTRIBUTE_TENSORS:
                self._tensor(field)
            elif field.number in _ATTRIBUTE_SPARSE_TENSORS:
                self.refuse("has sparse tensors")

    def _tensor(self, tensor: Field) -> None:
        elements = 1
        for field in tensor.fields():
            if field.number == _TENSOR_DIMS:
                elements *= math.prod(_integers(field)) if field.size else field.integer
            elif field.number == _TENSOR_EXTERNAL_DATA or (field.number == _TENSOR_LOCATION and field.integer):
                self.refuse("keeps tensors in another file")
        if elements > _MAX_ELEMENTS:
            self.refuse(f"has a tensor of {elements:,} elements")

    def _text(self, field: Field) -> str:
        if field.size > _MAX_NAME_BYTES:
            self.refuse(f"has an operator whose name is {field.size:,} bytes long")
        return field.value().decode("utf-8", "replace")


def _integers(packed: Field) -> list[int]:
    """Gives the numbers of a packed field."""
    numbers: list[int] = []
    value = shift = 0
    for byte in packed.value():
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0
    return numbers
