"""The preprocessing as ONNX nodes: RGB uint8 of any size → the network's float32 input, with Pillow's own pixels."""

from __future__ import annotations

import numpy as np
from imgcls_core.artifact import INPUT_NAME, NETWORK_INPUT, Crop, Preprocessing
from onnx import NodeProto, TensorProto

from imgcls_convert.graph.nodes import Nodes
from imgcls_convert.graph.resize import resized_pixels


def preprocess_nodes(spec: Preprocessing) -> tuple[list[NodeProto], list[TensorProto]]:
    """Builds the nodes from the input `images` to the tensor `NETWORK_INPUT`.

    Args:
        spec: what to reproduce.

    Returns:
        Nodes in topological order and their constants. They read `images`, uint8 [N, H, W, 3], and write
        `NETWORK_INPUT`, float32 [N, 3, height, width].
    """
    nodes = Nodes("pre", [])
    size_h = nodes("Shape", INPUT_NAME, start=1, end=2)  # [1]
    size_w = nodes("Shape", INPUT_NAME, start=2, end=3)  # [1]
    resized_h, resized_w = _resized_size(nodes, spec, size_h, size_w)
    if spec.native_size == spec.size and spec.resize_mode == "squash":
        top = left = nodes.i64(0)
    else:  # negative where the image is padded
        top, left = (
            _crop_start(nodes, length, crop, spec.crop)
            for length, crop in ((resized_h, spec.size[0]), (resized_w, spec.size[1]))
        )

    native_h, native_w = resized_h, resized_w
    if spec.pad_color is not None:  # what needs no resize may still need bars
        native_h, native_w = nodes.i64(spec.size[0]), nodes.i64(spec.size[1])
    native = nodes("And", nodes("Equal", size_h, native_h), nodes("Equal", size_w, native_w))
    passed = nodes.branch("native")
    passed_pixels = _native_pixels(passed, spec, top, left)
    resize = nodes.branch("resize")
    rows, columns = (size_h, resized_h, top), (size_w, resized_w, left)
    pixels = resized_pixels(resize, spec, rows, columns)
    if spec.pad_color is not None:
        inside = resize(
            "And", _inside(resize, rows, spec.size[0], axis=1), _inside(resize, columns, spec.size[1], axis=0)
        )
        colour = nodes.constant(np.array(spec.pad_color, np.uint8).reshape(1, 3, 1, 1))
        pixels = resize("Where", inside, pixels, colour)
    pixels = nodes.choose(nodes("Squeeze", native), passed, passed_pixels, resize, pixels)  # uint8 [N, 3, h, w]
    _normalise(nodes, spec, pixels)
    return nodes.nodes, nodes.constants


def _resized_size(nodes: Nodes, spec: Preprocessing, size_h: str, size_w: str) -> tuple[str, str]:
    """Gives height and width after the resize, int64 [1] each; the longer edge is truncated as torchvision does."""
    if spec.resize_mode == "squash":
        return nodes.i64(spec.native_size[0]), nodes.i64(spec.native_size[1])
    as_double = [nodes("Cast", size, to=TensorProto.DOUBLE) for size in (size_h, size_w)]
    if spec.resize_size is None:
        return _contained_size(nodes, spec.size, *as_double)
    edge = nodes.i64(spec.resize_size)
    scaled = nodes("Mul", nodes("Max", *as_double), nodes.f64(spec.resize_size))
    longer = nodes("Cast", nodes("Div", scaled, nodes("Min", *as_double)), to=TensorProto.INT64)
    portrait = nodes("LessOrEqual", size_w, size_h)
    return nodes("Where", portrait, longer, edge), nodes("Where", portrait, edge, longer)


def _contained_size(nodes: Nodes, size: tuple[int, int], height: str, width: str) -> tuple[str, str]:
    """Gives the largest height and width that fit into `size`, rounded step by step as Pillow's `ImageOps.contain`."""
    aspect, target = nodes("Div", width, height), nodes.f64(size[1] / size[0])

    def other(numerator: str, denominator: str, edge: int) -> str:
        exact = nodes("Mul", nodes("Div", numerator, denominator), nodes.f64(edge))
        return nodes("Cast", nodes("Round", exact), to=TensorProto.INT64)

    return (
        nodes("Where", nodes("Greater", aspect, target), other(height, width, size[1]), nodes.i64(size[0])),
        nodes("Where", nodes("Less", aspect, target), other(width, height, size[0]), nodes.i64(size[1])),
    )


def _inside(nodes: Nodes, edge: tuple[str, str, str], count: int, *, axis: int) -> str:
    """Says which rows (axis 1: [count, 1]) or columns (axis 0: [1, count]) show the image and no bar."""
    _, resized, start = edge
    index = nodes("Add", nodes.constant(np.arange(count, dtype=np.int64)), start)  # [count]
    shown = nodes("And", nodes("GreaterOrEqual", index, nodes.i64(0)), nodes("Less", index, resized))
    return nodes("Unsqueeze", shown, nodes.i64(axis))


def _crop_start(nodes: Nodes, length: str, crop: int, kind: Crop | None) -> str:
    """Gives the first row or column of the crop, int64 [1]; both Python's round and ONNX's take halves to even."""
    spare = nodes("Cast", nodes("Sub", length, nodes.i64(crop)), to=TensorProto.DOUBLE)
    rounding = "Floor" if kind == "center_floor" else "Round"
    return nodes("Cast", nodes(rounding, nodes("Mul", spare, nodes.f64(0.5))), to=TensorProto.INT64)


def _native_pixels(nodes: Nodes, spec: Preprocessing, top: str, left: str) -> str:
    """Crops (where there is a crop) and brings the channels to the front; no resize is needed."""
    pixels = INPUT_NAME
    if spec.crop is not None:
        start = nodes("Concat", top, left, axis=0)
        end = nodes("Add", start, nodes.i64(*spec.size))
        pixels = nodes("Slice", pixels, start, end, nodes.i64(1, 2))
    return nodes("Transpose", pixels, perm=[0, 3, 1, 2])  # [N, h, w, 3] → [N, 3, h, w]


def _normalise(nodes: Nodes, spec: Preprocessing, pixels: str) -> None:
    """Exchanges channels, then ÷255, mean and std in float32, one operation each, as `ToTensor` and `Normalize` do."""

    def per_channel(values: tuple[float, float, float]) -> str:
        # One number for all channels keeps the operation cheap in any memory layout.
        same = len(set(values)) == 1
        array = np.float32(values[0]) if same else np.array(values, np.float32).reshape(1, 3, 1, 1)
        return nodes.constant(array)

    if spec.channels == "bgr":
        pixels = nodes("Gather", pixels, nodes.i64(2, 1, 0), axis=1)
    x = nodes("Cast", pixels, to=TensorProto.FLOAT)
    if spec.range == "0..1":
        x = nodes("Div", x, nodes.constant(np.float32(255.0)))
    x = nodes("Sub", x, per_channel(spec.mean))
    nodes("Div", x, per_channel(spec.std), output=NETWORK_INPUT)
