"""Graphs that no artifact has are refused before a runtime sees them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from imgcls_core import ImgclsError, OnnxClassifier
from imgcls_core.artifact.graph_check import check_graph
from imgcls_core.artifact.seal import sealed_artifact
from imgcls_core.errors import ArtifactUnreadableError, UnsafeGraphError
from onnx import TensorProto, helper, numpy_helper

Change = Callable[[onnx.ModelProto], None]


def _endless_loop(model: onnx.ModelProto) -> None:
    """9.2e18 rounds before the network."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go_on"], ["goes_on"])],
        "round",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("go_on", 9, [])],
        [helper.make_tensor_value_info("goes_on", 9, [])],
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array(2**63 - 1), "rounds"))
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    model.graph.node.insert(0, helper.make_node("Loop", ["rounds", "yes"], [], body=body))


def _loop_in_a_branch(model: onnx.ModelProto) -> None:
    inner = onnx.ModelProto()
    _endless_loop(inner)
    branch = helper.make_graph([inner.graph.node[0]], "branch", [], [])
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    model.graph.node.insert(0, helper.make_node("If", ["yes"], [], then_branch=branch, else_branch=branch))


def _foreign_operator(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Everything", ["images"], ["all"], domain="com.example"))


def _own_function(model: onnx.ModelProto) -> None:
    model.functions.append(
        helper.make_function("local", "f", ["a"], ["b"], [helper.make_node("Identity", ["a"], ["b"])], [])
    )


def _tensor_elsewhere(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def _constant_elsewhere(model: onnx.ModelProto) -> None:
    value = helper.make_tensor("c", TensorProto.UINT8, [1], [0])
    value.ClearField("int32_data")
    value.external_data.add(key="location", value="/dev/zero")
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=value))


def _huge_tensor(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(TensorProto(name="huge", data_type=TensorProto.FLOAT, dims=[1 << 20, 1 << 20]))


def _sparse_tensor(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add()


def _deep_nest(model: onnx.ModelProto) -> None:
    graph = helper.make_graph([], "innermost", [], [])
    for _ in range(20):
        graph = helper.make_graph(
            [helper.make_node("If", ["yes"], [], then_branch=graph, else_branch=graph)], "g", [], []
        )
        graph.node[0].attribute.pop()
    model.graph.node.append(graph.node[0])


def _training(model: onnx.ModelProto) -> None:
    model.training_info.add()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_endless_loop, "has a loop"),
        (_loop_in_a_branch, "has a loop"),
        (_foreign_operator, "uses the operator 'Everything' of 'com.example'"),
        (_own_function, "defines functions"),
        (_tensor_elsewhere, "keeps tensors in another file"),
        (_constant_elsewhere, "keeps tensors in another file"),
        (_huge_tensor, "has a tensor of 1,099,511,627,776 elements"),
        (_sparse_tensor, "has sparse tensors"),
        (_deep_nest, "nests more than 8 deep"),
        (_training, "holds instructions for training"),
    ],
)
def test_what_no_artifact_has_is_refused_before_it_runs(
    colours: OnnxClassifier, colours_path: Path, tmp_path: Path, change: Change, named: str
) -> None:
    model = onnx.load(colours_path)
    change(model)
    path = tmp_path / "hostile.onnx"
    path.write_bytes(sealed_artifact(model.SerializeToString(), colours.metadata))
    with pytest.raises(UnsafeGraphError, match=f"is not loaded: its graph {named}"):
        OnnxClassifier(path, provider="cpu")


def test_a_second_graph_is_refused(colours_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "two.onnx"
    path.write_bytes(colours_path.read_bytes() + onnx.ModelProto(graph=onnx.GraphProto(name="b")).SerializeToString())
    with pytest.raises(UnsafeGraphError, match="stands 2 times"):
        check_graph(path)


def test_random_damage_is_never_anything_but_an_error_of_ours(colours_path: Path, tmp_path: Path) -> None:
    content, source = colours_path.read_bytes(), np.random.default_rng(8)
    path = tmp_path / "damaged.onnx"
    for _ in range(200):
        damaged = bytearray(content[: source.integers(1, len(content))])
        for at in source.integers(len(damaged), size=4):
            damaged[at] = source.integers(256)
        path.write_bytes(damaged)
        try:
            check_graph(path)
        except ImgclsError as error:
            assert isinstance(error, ArtifactUnreadableError | UnsafeGraphError)  # noqa: PT017
