"""A second look: where int8's two best classes are close, the float network answers that image instead.

int8 changes a top-1 only where two classes are nearly as probable, and its noise is known from the images that
calibrate. Answers whose margin is below 1.5 times that noise are computed again by the float network, image by image,
so that an answer does not depend on who else is in the batch. The float weights travel as float16.

On everyday100 it brings agreement from 98.7 to 99.9 % at 2.2 times float32's speed, 2.7 without; what else was tried,
as cross-layer equalisation and sums in float, brings 98.7 % at most (`benchmarks/quantize`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from imgcls_core.artifact import NETWORK_INPUT, OUTPUT_NAME
from numpy.typing import NDArray
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

MOST_SECOND_LOOKS: Final = 0.2  # of the images; with more, int8 that is 3 times as fast loses most of that
# Of the noise of a margin; of Gaussian noise 1.5 leave one changed top-1 of fourteen.
_STEPS: Final = 1.5
_FLOOR: Final = 1e-7  # a probability below it is as good as none
_OPEN: Final = np.log(50.0)  # noise counts where two classes compete: up to 50 times as probable
_PREFIX: Final = "second_look"
_SMALL: Final = 256  # values; smaller constants stay float32, as biases


@dataclass(frozen=True)
class SecondLook:
    """When int8 is not believed.

    Args:
        margin: of the logarithms of the two best probabilities; what is nearer is computed again in float32.
        share: of the calibrating images that are.
        is_taken: whether the network has it; else it would cost too much.
    """

    margin: float
    share: float
    is_taken: bool = False

    @property
    def text(self) -> str:
        """Says it."""
        near = f"two classes closer than {np.exp(self.margin):.2f} to 1"
        return f"the float network answers {self.share:.0%} of the calibrating images again: {near}"


def expected_flips(expected: NDArray[np.float32], actual: NDArray[np.float32]) -> float:
    """Estimates on how many images another top-1 is named, as a share.

    Every image's noise is set beside every image's margin, so that a hundred images say more than a count of theirs.

    Args:
        expected: float32's probabilities, [images, classes].
        actual: those of the reduced network.
    """
    margin, noise = _margins(expected, actual)
    return float((np.abs(noise)[None, :] > margin[:, None]).mean() / 2)


def choose_second_look(expected: NDArray[np.float32], actual: NDArray[np.float32]) -> SecondLook:
    """Chooses the margin, from probabilities as `expected_flips` takes them."""
    margin, noise = _margins(expected, actual)
    competing = noise[margin < _OPEN] if (margin < _OPEN).any() else noise
    limit = float(_STEPS * np.sqrt(np.square(competing).mean()))
    best = np.sort(actual, axis=1)[:, -2:]
    return SecondLook(limit, float((best[:, 1] < best[:, 0] * np.exp(limit)).mean()))


def _margins(expected: NDArray[np.float32], actual: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """Gives by how much float32's first class leads its second, in logarithms, and how far that is off: [images]."""
    rows, best = np.arange(len(expected))[:, None], np.argsort(-expected, axis=1, kind="stable")[:, :2]
    leads = [np.log(np.maximum(np.nan_to_num(answers[rows, best]), _FLOOR)) for answers in (expected, actual)]
    margin, found = (lead[:, 0] - lead[:, 1] for lead in leads)
    return margin, found - margin


def add_second_look(reduced: ModelProto, model: ModelProto, look: SecondLook) -> ModelProto:
    """Puts the float network behind the reduced one.

    Args:
        reduced: from `NETWORK_INPUT` to probabilities.
        model: the float network, with the same input and output.
        look: when it is asked.

    Returns:
        One network with the same input and output; where no answer is doubtful the float part is not run.
    """
    whole = ModelProto()
    whole.CopyFrom(reduced)
    graph = whole.graph
    first = f"{_PREFIX}/first"
    for node in graph.node:
        _rename(node, {OUTPUT_NAME: first})
    factor = numpy_helper.from_array(np.array(np.exp(-look.margin), np.float32), f"{_PREFIX}/factor")
    constants = {"two": [2], "zero": [0], "one": [1], "flat": [-1]}
    graph.initializer.append(factor)
    graph.initializer.extend(
        numpy_helper.from_array(np.array(value, np.int64), f"{_PREFIX}/{name}") for name, value in constants.items()
    )
    _add(graph, "TopK", [first, "two"], ["best", "places"])
    _add(graph, "Slice", ["best", "zero", "one", "one"], ["most"])
    _add(graph, "Slice", ["best", "one", "two", "one"], ["next"])
    _add(graph, "Mul", ["most", "factor"], ["limit"])
    _add(graph, "Less", ["limit", "next"], ["close"])
    _add(graph, "Reshape", ["close", "flat"], ["doubtful"])
    _add(graph, "NonZero", ["doubtful"], ["rows_1"])
    _add(graph, "Transpose", ["rows_1"], ["rows"], perm=[1, 0])  # int64 [doubtful images, 1]
    _add(graph, "Reshape", ["rows_1", "flat"], ["images"])
    _add(graph, "Size", ["images"], ["count"])
    _add(graph, "Greater", ["count", "none"], ["any"])
    graph.initializer.append(numpy_helper.from_array(np.array(0, np.int64), f"{_PREFIX}/none"))
    again, as_is = helper.make_graph([], f"{_PREFIX}/again", [], []), helper.make_graph([], f"{_PREFIX}/as_is", [], [])
    _add(again, "Gather", [NETWORK_INPUT, "images"], ["input"])
    _copy_float(model, again)
    _add(again, "ScatterND", [first, "rows", "answers"], ["corrected"])
    _add(as_is, "Identity", [first], ["kept"])
    for branch, name in ((again, "corrected"), (as_is, "kept")):
        branch.output.append(helper.make_tensor_value_info(f"{_PREFIX}/{name}", TensorProto.FLOAT, None))
    choice = helper.make_node(
        "If", [f"{_PREFIX}/any"], [OUTPUT_NAME], name=f"{_PREFIX}/If", then_branch=again, else_branch=as_is
    )
    graph.node.append(choice)
    return whole


def _add(graph: GraphProto, op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:  # noqa: ANN401
    """Adds a node; short names are this module's own."""
    known = [name if "/" in name or name == NETWORK_INPUT else f"{_PREFIX}/{name}" for name in inputs]
    own = [f"{_PREFIX}/{name}" for name in outputs]
    graph.node.append(helper.make_node(op, known, own, name=f"{own[0]}/node", **attributes))


def _copy_float(model: ModelProto, branch: GraphProto) -> None:
    """Copies a network's nodes and weights under names of their own, which a branch needs."""
    made = [name for node in model.graph.node for name in node.output if name]
    names = {name: f"{_PREFIX}/{name}" for name in (*made, *(tensor.name for tensor in model.graph.initializer))}
    names |= {NETWORK_INPUT: f"{_PREFIX}/input", OUTPUT_NAME: f"{_PREFIX}/answers"}
    for tensor in model.graph.initializer:
        name = names[tensor.name]
        values = numpy_helper.to_array(tensor)
        if tensor.data_type == TensorProto.FLOAT and values.size >= _SMALL:
            half = values.astype(np.float16)
            if np.isfinite(half).all() and np.abs(values).max() > np.finfo(np.float16).smallest_normal:
                branch.initializer.append(numpy_helper.from_array(half, f"{name}/half"))
                _add(branch, "Cast", [f"{name}/half"], [name.removeprefix(f"{_PREFIX}/")], to=TensorProto.FLOAT)
                continue
        copy = TensorProto()
        copy.CopyFrom(tensor)
        copy.name = name
        branch.initializer.append(copy)
    for node in model.graph.node:
        copied = NodeProto()
        copied.CopyFrom(node)
        copied.name = f"{_PREFIX}/{node.name}"
        _rename(copied, names)
        branch.node.append(copied)


def _rename(node: NodeProto, names: Mapping[str, str]) -> None:
    """Renames what a node reads and gives, inside its own branches too."""
    for part in (node.input, node.output):
        part[:] = [names.get(name, name) for name in part]
    for attribute in node.attribute:
        for graph in (*attribute.graphs, *([attribute.g] if attribute.type == AttributeProto.GRAPH else [])):
            for inner in graph.node:
                _rename(inner, names)
