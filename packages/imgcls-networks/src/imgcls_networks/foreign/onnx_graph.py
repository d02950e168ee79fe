"""An ONNX classifier from elsewhere: read, checked by the rules for graphs, and brought into one known form."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import onnx
from google.protobuf.message import DecodeError
from imgcls_core.artifact import Precision
from imgcls_core.artifact.graph_check import check_graph
from imgcls_core.errors import ArtifactUnreadableError, UnsafeGraphError
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, ValueInfoProto, helper, inliner
from onnx.external_data_helper import load_external_data_for_tensor

from imgcls_networks.errors import RequestError
from imgcls_networks.exception_text import one_line

LEAST_OPSET: Final = 18  # that of artifacts
_LARGEST_BYTES: Final = 2_000_000_000  # of a protobuf message
_MOST_ELEMENTS: Final = 1 << 28  # of a tensor between two nodes; those of large networks have a hundredth
_COLOURS: Final = 3
# What pixels and scores may be, as NumPy calls it.
_INPUTS: Final = {
    TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16", TensorProto.DOUBLE: "float64",
    TensorProto.UINT8: "uint8",
}  # fmt: skip
_OUTPUTS: Final = {number: name for number, name in _INPUTS.items() if number != TensorProto.UINT8}
_RANKING: Final = (
    "ArgMax",
    "ArgMin",
    "TopK",
    "Hardmax",
    "NonMaxSuppression",
)  # what says who is first, not by how much
_RESHAPING: Final = ("Cast", "Concat", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
_QUANTISED: Final = ("DequantizeLinear", "DynamicQuantizeLinear", "QLinear", "ConvInteger", "MatMulInteger")


@dataclass(frozen=True)
class OnnxGraph:
    """A classifier's graph, of standard operators and opset 18 or newer, with all its tensors inside.

    Args:
        model: the whole.
        made_by: the tool that wrote it and its opset, for users.
        beside: names of the files that its tensors were joined from.
        input: name of the one input.
        output: name of the output that is asked for.
        element: NumPy's name for what the input takes; uint8 means levels from 0 to 255.
        channels_last: the input is [N, height, width, 3] and not [N, 3, height, width].
        size: height and width of the input, in pixels; None where it takes any.
        batch: images at a time, where their number is fixed.
    """

    model: ModelProto
    made_by: str
    beside: tuple[str, ...]
    input: str
    output: str
    element: str
    channels_last: bool
    size: tuple[int, int] | None
    batch: int | None

    @property
    def precision(self) -> Precision:
        """Says in which precision the network computes."""
        if any(node.op_type.startswith(_QUANTISED) for node in self.model.graph.node):
            return "int8"
        is_half = any(tensor.data_type == TensorProto.FLOAT16 for tensor in self.model.graph.initializer)
        return "fp16" if is_half or self.element == "float16" else "fp32"


def read_graph(path: Path, output_name: str | None = None) -> OnnxGraph:
    """Reads a file; nothing of it runs.

    Args:
        path: the .onnx file. Tensors in other files must lie beside it.
        output_name: which output is meant, where there are several.

    Raises:
        RequestError: it is not ONNX, not a classifier of RGB images, or holds what a graph must not.
    """
    name = path.name
    model = _loaded(path)
    beside = _join(model, path)
    if model.functions:
        model = inliner.inline_local_functions(model)
    try:
        check_graph(path, model.SerializeToString())
        onnx.checker.check_model(model)
    except UnsafeGraphError as error:
        raise RequestError(
            f"{name!r} cannot become an artifact: its graph {error.reason}. An artifact has ONNX's own operators and "
            "no loops; export the network without them."
        ) from error
    except (ArtifactUnreadableError, onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise RequestError(f"{name!r} is not valid ONNX: {one_line(error)}.") from error
    made_by = " ".join(filter(None, [model.producer_name, model.producer_version])) or "an unnamed tool"
    opset = _opset(model, name)
    model = _raised(model, opset, name)
    _check_sizes(model, name)
    initial = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in initial]
    if len(inputs) != 1:
        found = ", ".join(map(_described, inputs)) or "none"
        raise RequestError(f"{name!r} must have one input, a batch of images, and has {len(inputs)}: {found}.")
    element, channels_last, size, batch = _input_form(inputs[0], model.graph, name)
    return OnnxGraph(
        model=model,
        made_by=f"{made_by}, opset {opset}",
        beside=beside,
        input=inputs[0].name,
        output=_chosen_output(model.graph, output_name, name),
        element=element,
        channels_last=channels_last,
        size=size,
        batch=batch,
    )


def _loaded(path: Path) -> ModelProto:
    try:
        return onnx.load(path, load_external_data=False)
    except (DecodeError, OSError, ValueError, RecursionError) as error:
        raise RequestError(f"{path.name!r} is not ONNX, or is cut off ({one_line(error)}).") from error


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                yield attribute.t
            yield from attribute.tensors
            for inner in [attribute.g] if attribute.type == AttributeProto.GRAPH else attribute.graphs:
                yield from _tensors(inner)


def _join(model: ModelProto, path: Path) -> tuple[str, ...]:
    """Takes tensors of other files into the model, and gives the names of these files.

    Raises:
        RequestError: a file is not beside the model, is not there, or is shorter than a tensor needs.
    """
    folder = path.absolute().parent
    names: dict[str, int] = {}
    total = path.stat().st_size
    for tensor in _tensors(model.graph):
        if tensor.data_location != TensorProto.EXTERNAL and not tensor.external_data:
            continue
        said = {entry.key: entry.value for entry in tensor.external_data}
        location = said.get("location", "")
        file = folder / location
        if not location or Path(location).name != location or file.resolve().parent != folder.resolve():
            raise RequestError(
                f"{path.name!r} keeps the tensor {tensor.name!r} in {location!r}; only files in its own folder are "
                "read. Put that file beside it, or save the model with all its tensors inside."
            )
        if not file.is_file():
            raise RequestError(
                f"{path.name!r} keeps its tensors in {location!r}, which is not beside it; copy both files."
            )
        size = names.setdefault(location, file.stat().st_size)
        try:
            start = int(said.get("offset", 0))
            length = int(said.get("length", size - start))
            if min(start, length) < 0 or start + length > size:
                raise ValueError(f"it has {size:,} bytes and {start + length:,} are needed")
            if (total := total + length) > _LARGEST_BYTES:
                raise ValueError("all tensors together have more than 2 GB, which one artifact can hold")
            load_external_data_for_tensor(tensor, str(folder))
        except (ValueError, OSError, onnx.checker.ValidationError) as error:
            raise RequestError(
                f"The tensor {tensor.name!r} of {path.name!r} cannot be read from {location!r}: {one_line(error)}."
            ) from error
        del tensor.external_data[:]
        tensor.data_location = TensorProto.DEFAULT
    return tuple(names)


def _opset(model: ModelProto, name: str) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}]
    if not versions:
        raise RequestError(f"{name!r} names no version of ONNX's own operators.")
    return max(versions)


def _raised(model: ModelProto, opset: int, name: str) -> ModelProto:
    if opset >= LEAST_OPSET:
        return model
    try:
        raised = onnx.version_converter.convert_version(model, LEAST_OPSET)
        onnx.checker.check_model(raised)
    except (RuntimeError, ValueError, TypeError, onnx.checker.ValidationError) as error:
        raise RequestError(
            f"{name!r} has opset {opset}, and ONNX cannot bring it up to {LEAST_OPSET}: {one_line(error)}. Export it "
            f"again with `opset_version={LEAST_OPSET}`."
        ) from error
    return raised


def _check_sizes(model: ModelProto, name: str) -> None:
    """Raises RequestError if the graph makes a tensor, for one image, that no classifier makes.

    Only what can be inferred is seen; what cannot be is left to the runtime.
    """
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError):
        return
    for value in inferred.graph.value_info:
        if (elements := math.prod(size or 1 for size in _dims(value))) > _MOST_ELEMENTS:
            raise RequestError(f"{name!r} cannot become an artifact: it makes a tensor of {elements:,} elements.")


def _dims(value: ValueInfoProto) -> list[int | None]:
    return [dim.dim_value if dim.HasField("dim_value") else None for dim in value.type.tensor_type.shape.dim]


def _described(value: ValueInfoProto) -> str:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return f"{value.name!r} ({(kind or 'of no type').removesuffix('_type')})"
    element = value.type.tensor_type.elem_type
    word = TensorProto.DataType.Name(element).lower() if element in TensorProto.DataType.values() else "of no type"
    shape = ", ".join("?" if size is None else str(size) for size in _dims(value))
    return f"{value.name!r} ({word} [{shape}])"


def _input_form(
    value: ValueInfoProto, graph: GraphProto, name: str
) -> tuple[str, bool, tuple[int, int] | None, int | None]:
    """Gives what the input takes, where its channels are, its size and its batch.

    Raises:
        RequestError: it takes no RGB images.
    """
    element = _INPUTS.get(cast("TensorProto.DataType", value.type.tensor_type.elem_type))
    dims = _dims(value)
    what = f"{name!r} must take a batch of RGB images, [N, 3, height, width] or [N, height, width, 3]"
    if element is None or len(dims) != 4:
        raise RequestError(f"{what}, of float32, float16 or uint8; its input is {_described(value)}.")
    first, last = dims[1] == _COLOURS, dims[3] == _COLOURS
    if dims[1] is None and dims[3] is None:
        readers = [node for node in graph.node if value.name in node.input]
        first = any(node.op_type == "Conv" for node in readers)
        last = not first and any(node.op_type == "Transpose" and _permutation(node) == [0, 3, 1, 2] for node in readers)
    if first == last:
        how = "where its channels are cannot be told" if first else "none of its dimensions is 3 where channels are"
        raise RequestError(f"{what}; its input is {_described(value)}, and {how}.")
    height, width = dims[1:3] if last else dims[2:4]
    size = None if height is None or width is None else (height, width)
    if dims[0] == 0 or 0 in (size or ()):
        raise RequestError(f"{what}; its input is {_described(value)}.")
    return element, last, size, dims[0]


def _permutation(node: Any) -> list[int]:  # noqa: ANN401 - NodeProto
    return next((list(entry.ints) for entry in node.attribute if entry.name == "perm"), [])


def _chosen_output(graph: GraphProto, asked: str | None, name: str) -> str:
    outputs = {value.name: value for value in graph.output}
    listed = ", ".join(map(_described, outputs.values()))
    if asked is not None and asked not in outputs:
        raise RequestError(f"`--output-name {asked}`: {name!r} has no such output; it has {listed}.")
    if asked is None and len(outputs) != 1:
        raise RequestError(
            f"{name!r} has {len(outputs)} outputs: {listed}. Say with `--output-name NAME` which gives one score for "
            "each class."
        )
    chosen = outputs[asked] if asked is not None else graph.output[0]
    if chosen.type.tensor_type.elem_type not in _OUTPUTS:
        raise RequestError(
            f"The output {_described(chosen)} of {name!r} gives no scores; a classifier gives float32 [N, classes]."
        )
    makers = {output: node for node in graph.node for output in node.output}
    maker = makers.get(chosen.name)
    while maker is not None and maker.op_type in _RESHAPING and maker.input:
        maker = makers.get(maker.input[0])
    if maker is not None and maker.op_type in _RANKING:
        raise RequestError(
            f"The output {_described(chosen)} of {name!r} is made by {maker.op_type}, which says what comes first and "
            "not how probable each class is; export the network without it."
        )
    shape = helper.printable_type(chosen.type)
    if chosen.type.tensor_type.HasField("shape") and not _dims(chosen):
        raise RequestError(f"The output {chosen.name!r} of {name!r} is one number ({shape}), not a row for each image.")
    return chosen.name
