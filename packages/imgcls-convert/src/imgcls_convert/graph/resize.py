"""Pillow's resize as ONNX nodes, bit for bit.

Pillow resizes in two passes, each a sum of taps with 22-bit integer coefficients, rounded to uint8 in between
(`src/libImaging/Resample.c`). The graph computes the same coefficients in float64 from the size of the image,
writes them as four digits in base 128 and lets `MatMulInteger` (uint8 × int8 → int32) do the sums, which is exact.
Digits stay in -64…63, so that even processors that add pairs of products in 16 bits cannot saturate.

A row or column of the result sees only a few of the image. So some neighbours at a time are computed, from the window
of the image that they see: of a large photo a tenth of the products are left, and none of the zeros between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from imgcls_core.artifact import INPUT_NAME, Preprocessing
from onnx import TensorProto, numpy_helper

from imgcls_convert.graph.filters import FILTERS
from imgcls_convert.graph.nodes import Nodes

_COEFFICIENT_BITS: Final = 22  # Pillow's PRECISION_BITS for 8-bit images: 32 - 8 - 2
_DIGIT_BASE: Final = 128
_DIGITS: Final = 4  # 128^4 / 2 is far above the largest coefficient, 2^22 plus cubic overshoot
# Rows or columns of the result that share a window. A photo of 12 megapixels takes a third longer with 32, one of
# 500 × 375 px a third longer with 8.
_BLOCK: Final = 16


@dataclass(frozen=True)
class _Taps:
    """What one pass multiplies, block by block.

    Args:
        starts: where each block's window begins, int64 [1] each.
        span: how long all windows are, int64 [1].
        digits: of the coefficients, int8 [4, 1, 1, span, outputs of the block] each, the lowest digit first.
    """

    starts: Sequence[str]
    span: str
    digits: Sequence[str]


def resized_pixels(nodes: Nodes, spec: Preprocessing, rows: tuple[str, str, str], columns: tuple[str, str, str]) -> str:
    """Makes both passes, in Pillow's order; only the rows and columns inside the crop are computed.

    `rows` and `columns` are (source length, resized length, crop start), each int64 [1].
    """
    if spec.interpolation == "nearest":
        pixels = nodes("Gather", INPUT_NAME, _nearest(nodes, *rows, count=spec.size[0]), axis=1)
        pixels = nodes("Gather", pixels, _nearest(nodes, *columns, count=spec.size[1]), axis=2)
        return nodes("Transpose", pixels, perm=[0, 3, 1, 2])
    (size_h, resized_h, _), (size_w, resized_w, _) = rows, columns
    row_taps = _taps(nodes, spec, *rows, count=spec.size[0])
    column_taps = _taps(nodes, spec, *columns, count=spec.size[1])
    # Pillow 13 starts with the vertical pass when the height shrinks much more than the width; before 13 never.
    shrink_h, shrink_w = nodes("Sub", size_h, resized_h), nodes("Sub", size_w, resized_w)
    vertical_first = nodes(
        "And", nodes("Greater", size_h, resized_h), nodes("Greater", shrink_h, nodes("Mul", shrink_w, nodes.i64(2)))
    )
    vertical, horizontal = nodes.branch("vertical_first"), nodes.branch("horizontal_first")

    height, width = spec.size
    # ONNX Runtime exchanges the last two axes quickly, and brings the channels to the front; it moves no two at once.
    x = vertical("Reshape", INPUT_NAME, nodes.i64(0, 0, -1))  # [N, H, W × 3]
    x = _pass(vertical, vertical("Unsqueeze", x, nodes.i64(1)), row_taps, [0, 1, 3, 2])  # [N, 1, W × 3, h]
    x = vertical("Reshape", x, nodes.i64(0, 0, -1, 3 * height))  # [N, 1, W, 3 × h]
    x = _pass(vertical, x, column_taps, [0, 1, 3, 2])  # [N, 1, 3 × h, w]
    by_rows = vertical("Reshape", x, nodes.i64(0, 3, height, width))

    x = _pass(horizontal, INPUT_NAME, column_taps, [0, 3, 1, 2])  # [N, 3, H, w]
    x = _pass(horizontal, x, row_taps, [0, 1, 3, 2])  # [N, 3, w, h]
    by_columns = horizontal("Transpose", x, perm=[0, 1, 3, 2])

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


def _pass(nodes: Nodes, pixels: str, taps: _Taps, order: list[int]) -> str:
    """Makes one resize pass over axis 2, which `order` makes the last: uint8 [N, A, n, B] → [N, …, …, count]."""
    parts: list[str] = []
    for start, digits in zip(taps.starts, taps.digits, strict=True):
        window = nodes("Slice", pixels, start, nodes("Add", start, taps.span), nodes.i64(2))
        parts.append(nodes("MatMulInteger", nodes("Transpose", window, perm=order), digits))
    places = nodes.split(nodes("Concat", *parts, axis=-1), [1] * _DIGITS)  # int32 [1, N, …, …, count] each
    total = nodes.i32(1 << (_COEFFICIENT_BITS - 1))  # one half, so that the division rounds
    for place, part in enumerate(places):
        total = nodes("Add", total, nodes("Mul", part, nodes.i32(_DIGIT_BASE**place)) if place else part)
    # Division truncates where Pillow shifts; they differ for negative sums only, which the clip makes 0 in both.
    value = nodes("Div", total, nodes.i32(1 << _COEFFICIENT_BITS))
    levels = nodes("Cast", nodes("Clip", value, nodes.i32(0), nodes.i32(255)), to=TensorProto.UINT8)
    return nodes("Squeeze", levels, nodes.i64(0))


def _taps(nodes: Nodes, spec: Preprocessing, source: str, resized: str, start: str, *, count: int) -> _Taps:
    """Pillow's integer coefficients as digits, within the windows of `_BLOCK` rows or columns each."""
    if spec.pad_color is not None:  # of a strip so thin that nothing is left the bars cover all
        resized = nodes("Max", resized, nodes.i64(1))
    places, coefficients = _coefficients(nodes, spec, source, resized, start, count=count)
    places = nodes("Cast", places, to=TensorProto.INT64)  # [taps, count]
    begins = np.arange(0, count, _BLOCK, dtype=np.int64)
    ends = np.append(begins[1:], count)
    first = nodes("Gather", places, nodes.constant(np.int64(0)), axis=0)  # [count], never falling
    first_of_block = nodes("Gather", first, nodes.constant(begins), axis=0)  # [blocks]
    first_of_last = nodes("Gather", first, nodes.constant(ends - 1), axis=0)
    widest = nodes("ReduceMax", nodes("Sub", first_of_last, first_of_block), nodes.i64(0))  # [1]
    span = nodes("Min", source, nodes("Add", widest, nodes("Shape", places, start=0, end=1)))
    starts = nodes("Min", first_of_block, nodes("Sub", source, span))

    # Taps beyond the edge have coefficient 0 and are added onto the last pixel.
    inside = nodes("Min", places, nodes("Sub", source, nodes.i64(1)))
    block_of = nodes.constant(np.arange(count, dtype=np.int64) // _BLOCK)
    rows = nodes("Sub", inside, nodes("Gather", starts, block_of, axis=0))
    empty = nodes(
        "ConstantOfShape",
        nodes("Concat", span, nodes.i64(count), axis=0),
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
        digits.append(nodes("Unsqueeze", dense, nodes.i64(0, 1, 2)))
    small = nodes("Concat", *digits, axis=0)  # float32 [4, 1, 1, span, count]
    blocks = nodes.split(small, (ends - begins).tolist(), axis=-1)
    whole = [nodes("Cast", block, to=TensorProto.INT8) for block in blocks]
    return _Taps(nodes.split(starts, [1] * len(begins)), span, whole)


def _coefficients(
    nodes: Nodes, spec: Preprocessing, source: str, resized: str, start: str, *, count: int
) -> tuple[str, str]:
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
