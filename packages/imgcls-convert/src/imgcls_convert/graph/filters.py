"""Pillow's filters as nodes: the weight of a distance, in its own order of operations (`libImaging/Resample.c`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from imgcls_core.artifact import Interpolation
from onnx import TensorProto

from imgcls_convert.graph.nodes import Nodes


def _box(nodes: Nodes, distance: str) -> str:
    inside = nodes("And", nodes("Greater", distance, nodes.f64(-0.5)), nodes("LessOrEqual", distance, nodes.f64(0.5)))
    return nodes("Cast", inside, to=TensorProto.DOUBLE)


def _triangle(nodes: Nodes, distance: str) -> str:
    return nodes("Max", nodes("Sub", nodes.f64(1.0), nodes("Abs", distance)), nodes.f64(0.0))


def _hamming(nodes: Nodes, distance: str) -> str:
    x = nodes("Mul", nodes("Abs", distance), nodes.f64(np.pi))
    # ONNX Runtime has no cosine of doubles.
    sine = nodes("Sin", nodes("Mul", x, nodes.f64(0.5)))
    cosine = nodes("Sub", nodes.f64(1.0), nodes("Mul", nodes("Mul", sine, sine), nodes.f64(2.0)))
    # Pillow writes these two numbers as float.
    window = nodes("Add", nodes.f64(float(np.float32(0.54))), nodes("Mul", nodes.f64(float(np.float32(0.46))), cosine))
    inside = nodes("Less", nodes("Abs", distance), nodes.f64(1.0))
    return nodes("Where", inside, nodes("Mul", _sinc(nodes, distance), window), nodes.f64(0.0))


def _lanczos(nodes: Nodes, distance: str) -> str:
    inside = nodes("Less", nodes("Abs", distance), nodes.f64(3.0))
    product = nodes("Mul", _sinc(nodes, distance), _sinc(nodes, nodes("Div", distance, nodes.f64(3.0))))
    return nodes("Where", inside, product, nodes.f64(0.0))


def _sinc(nodes: Nodes, distance: str) -> str:
    x = nodes("Mul", distance, nodes.f64(np.pi))
    is_zero = nodes("Equal", x, nodes.f64(0.0))
    return nodes("Where", is_zero, nodes.f64(1.0), nodes("Div", nodes("Sin", x), x))


def _cubic(nodes: Nodes, distance: str) -> str:
    """Pillow's bicubic filter, a = -0.5, with its own order of operations."""
    x = nodes("Abs", distance)
    near = nodes("Sub", nodes("Mul", nodes.f64(1.5), x), nodes.f64(2.5))
    near = nodes("Add", nodes("Mul", nodes("Mul", near, x), x), nodes.f64(1.0))
    far = nodes("Add", nodes("Mul", nodes("Sub", x, nodes.f64(5.0)), x), nodes.f64(8.0))
    far = nodes("Mul", nodes("Sub", nodes("Mul", far, x), nodes.f64(4.0)), nodes.f64(-0.5))
    far = nodes("Where", nodes("Less", x, nodes.f64(2.0)), far, nodes.f64(0.0))
    return nodes("Where", nodes("Less", x, nodes.f64(1.0)), near, far)


# Each filter: how far it reaches in source pixels when enlarging, and the weight of a distance, as Pillow computes it.
FILTERS: Final[Mapping[Interpolation, tuple[float, Callable[[Nodes, str], str]]]] = {
    "box": (0.5, _box),
    "bilinear": (1.0, _triangle),
    "hamming": (1.0, _hamming),
    "bicubic": (2.0, _cubic),
    "lanczos": (3.0, _lanczos),
}
