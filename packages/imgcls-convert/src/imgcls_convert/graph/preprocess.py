"""The preprocessing as ONNX nodes: RGB uint8 of any size → the network's float32 input, with Pillow's own pixels.

Pillow resizes in two passes, each a sum of taps with 22-bit integer coefficients, rounded to uint8 in between
(`src/libImaging/Resample.c`). The graph computes the same coefficients in float64 from the size of the image,
writes them as four digits in base 128 and lets `MatMulInteger` (uint8 × int8 → int32) do the sums, which is exact.
Digits stay in -64…63, so that even processors that add pairs of products in 16 bits cannot saturate.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from imgcls_core.artifact import INPUT_NAME, Crop, Preprocessing
from onnx import NodeProto, TensorProto, numpy_helper

from imgcls_convert.graph.filters import FILTERS
from imgcls_convert.graph.nodes import Nodes

NETWORK_INPUT: Final = "network_input"

_COEFFICIENT_BITS: Final = 22  # Pillow's PRECISION_BITS for 8-bit images: 32 - 8 - 2
_DIGIT_BASE: Final = 128
_DIGITS: Final = 4  # 128^4 / 2 is far above the largest coefficient, 2^22 plus cubic overshoot


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
    pixels = _resized_pixels(resize, spec, rows, columns)
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


def _resized_pixels(
    nodes: Nodes, spec: Preprocessing, rows: tuple[str, str, str], columns: tuple[str, str, str]
) -> str:
    """Makes both passes, in Pillow's order; only the rows and columns inside the crop are computed.

    `rows` and `columns` are (source length, resized length, crop start), each int64 [1].
    """
    if spec.interpolation == "nearest":
        pixels = nodes("Gather", INPUT_NAME, _nearest(nodes, *rows, count=spec.size[0]), axis=1)
        pixels = nodes("Gather", pixels, _nearest(nodes, *columns, count=spec.size[1]), axis=2)
        return nodes("Transpose", pixels, perm=[0, 3, 1, 2])
    (size_h, resized_h, _), (size_w, resized_w, _) = rows, columns
    row_taps = _tap_digits(nodes, spec, *rows, count=spec.size[0])
    column_taps = _tap_digits(nodes, spec, *columns, count=spec.size[1])
    # Pillow 13 starts with the vertical pass when the height shrinks much more than the width; before 13 never.
    shrink_h, shrink_w = nodes("Sub", size_h, resized_h), nodes("Sub", size_w, resized_w)
    vertical_first = nodes(
        "And", nodes("Greater", size_h, resized_h), nodes("Greater", shrink_h, nodes("Mul", shrink_w, nodes.i64(2)))
    )
    vertical, horizontal = nodes.branch("vertical_first"), nodes.branch("horizontal_first")

    x = vertical("Transpose", INPUT_NAME, perm=[0, 3, 2, 1])  # [N, 3, W, H]
    x = vertical("Transpose", _pass(vertical, x, row_taps), perm=[0, 1, 3, 2])  # [N, 3, h, W]
    by_rows = _pass(vertical, x, column_taps)  # [N, 3, h, w]

    x = horizontal("Transpose", INPUT_NAME, perm=[0, 3, 1, 2])  # [N, 3, H, W]
    x = horizontal("Transpose", _pass(horizontal, x, column_taps), perm=[0, 1, 3, 2])  # [N, 3, w, H]
    by_columns = horizontal("Transpose", _pass(horizontal, x, row_taps), perm=[0, 1, 3, 2])  # [N, 3, h, w]

    return nodes.choose(nodes("Squeeze", vertical_first), vertical, by_rows, horizontal, by_columns)


def _nearest(nodes: Nodes, source: str, resized: str, start: str, *, count: int) -> str:
    """Gives the rows or columns that are taken, int64 [count]; Pillow adds up its step (`libImaging/Geometry.c`)."""
    length = nodes("Cast", source, to=TensorProto.DOUBLE)
    step = nodes("Div", length, nodes("Cast", resized, to=TensorProto.DOUBLE))
    last = nodes("Max", nodes("Sub", resized, nodes.i64(1)), nodes.i64(0))
    steps = nodes("Concat", nodes("Mul", step, nodes.f64(0.5)), nodes("Expand", step, last), axis=0)
    places = nodes("Min", nodes("CumSum", steps, nodes.constant(np.int64(0))), nodes("Sub", length, nodes.f64(1.0)))
    index = nodes("Add", nodes.constant(np.arange(count, dtype=np.int64)), start)  # beyond the image where it is padded
    index = nodes("Min", nodes("Max", index, nodes.i64(0)), last)
    return nodes("Cast", nodes("Gather", nodes("Floor", places), index, axis=0), to=TensorProto.INT64)


def _pass(nodes: Nodes, pixels: str, digits: list[str]) -> str:
    """Makes one resize pass over the last axis: uint8 [N, 3, A, n] × taps [n, count] → uint8 [N, 3, A, count]."""
    total = nodes.i32(1 << (_COEFFICIENT_BITS - 1))  # one half, so that the division rounds
    for place, digit in enumerate(digits):
        part = nodes("MatMulInteger", pixels, digit)
        total = nodes("Add", total, nodes("Mul", part, nodes.i32(_DIGIT_BASE**place)) if place else part)
    # Division truncates where Pillow shifts; they differ for negative sums only, which the clip makes 0 in both.
    value = nodes("Div", total, nodes.i32(1 << _COEFFICIENT_BITS))
    return nodes("Cast", nodes("Clip", value, nodes.i32(0), nodes.i32(255)), to=TensorProto.UINT8)


def _tap_digits(nodes: Nodes, spec: Preprocessing, source: str, resized: str, start: str, *, count: int) -> list[str]:
    """Pillow's integer coefficients as dense matrices of digits, int8 [source, count] each, lowest digit first."""
    if spec.pad_color is not None:  # of a strip so thin that nothing is left the bars cover all
        resized = nodes("Max", resized, nodes.i64(1))
    places, coefficients = _taps(nodes, spec, source, resized, start, count=count)
    # Taps beyond the edge have coefficient 0 and are added onto the last pixel.
    last = nodes("Sub", source, nodes.i64(1))
    rows = nodes("Min", nodes("Cast", places, to=TensorProto.INT64), last)  # [taps, count]
    empty = nodes(
        "ConstantOfShape",
        nodes("Concat", source, nodes.i64(count), axis=0),
        value=numpy_helper.from_array(np.zeros(1, np.float32)),
    )
    digits: list[str] = []
    rest = coefficients
    for place in range(_DIGITS):
        digit = rest
        if place < _DIGITS - 1:
            shifted = nodes("Add", rest, nodes.f64(_DIGIT_BASE / 2))
            carry = nodes("Floor", nodes("Mul", shifted, nodes.f64(1 / _DIGIT_BASE)))
            digit = nodes("Sub", rest, nodes("Mul", carry, nodes.f64(_DIGIT_BASE)))
            rest = carry
        small = nodes("Cast", digit, to=TensorProto.FLOAT)
        dense = nodes("ScatterElements", empty, rows, small, axis=0, reduction="add")
        digits.append(nodes("Cast", dense, to=TensorProto.INT8))
    return digits


def _taps(nodes: Nodes, spec: Preprocessing, source: str, resized: str, start: str, *, count: int) -> tuple[str, str]:
    """Positions and integer coefficients of all taps, float64 [taps, count] each; step by step as Pillow does it."""
    double = TensorProto.DOUBLE
    support_px, weight_of = FILTERS[spec.interpolation]
    one, half = nodes.f64(1.0), nodes.f64(0.5)
    length = nodes("Cast", source, to=double)  # [1]
    scale = nodes("Div", length, nodes("Cast", resized, to=double))
    stretch = nodes("Max", scale, one)  # the filter is widened when shrinking: antialias
    support = nodes("Mul", nodes.f64(support_px), stretch)
    index = nodes("Add", nodes.constant(np.arange(count, dtype=np.int64)), start)  # [count]
    if spec.pad_color is not None:  # what lies outside is covered by bars
        index = nodes("Max", nodes("Min", index, nodes("Sub", resized, nodes.i64(1))), nodes.i64(0))
    centre = nodes("Mul", nodes("Add", nodes("Cast", index, to=double), half), scale)
    first = nodes("Max", nodes("Floor", nodes("Add", nodes("Sub", centre, support), half)), nodes.f64(0.0))
    end = nodes("Min", nodes("Floor", nodes("Add", nodes("Add", centre, support), half)), length)

    most = nodes("Add", nodes("Mul", nodes("Ceil", support), nodes.f64(2.0)), one)
    taps = nodes("Range", nodes.f64(0.0), nodes("Squeeze", most), one)  # [taps]
    places = nodes("Add", nodes("Unsqueeze", taps, nodes.i64(1)), first)  # [taps, count]
    distance = nodes("Mul", nodes("Add", nodes("Sub", places, centre), half), nodes("Div", one, stretch))
    weights = weight_of(nodes, distance)
    weights = nodes("Mul", weights, nodes("Cast", nodes("Less", places, end), to=double))
    # Pillow adds the weights one after the other. A running sum keeps that order, a reduction need not.
    running = nodes("CumSum", weights, nodes.constant(np.int64(0)))
    total = nodes("Gather", running, nodes.i64(-1), axis=0)  # [1, count]
    scaled = nodes("Mul", nodes("Div", weights, total), nodes.f64(float(1 << _COEFFICIENT_BITS)))
    rounded = nodes("Floor", nodes("Add", nodes("Abs", scaled), half))
    return places, nodes("Mul", nodes("Sign", scaled), rounded)


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
