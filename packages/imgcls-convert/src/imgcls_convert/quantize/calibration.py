"""Finds the range of every tensor that will be quantised, from images that stand for what the service will see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
from imgcls_cli.progress import Progress
from imgcls_core.artifact import NETWORK_INPUT
from imgcls_core.inference.onnx_runtime import import_runtime
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from imgcls_convert.quantize.int8 import Range, quantize, tensors_to_calibrate
from imgcls_convert.quantize.layers import Build, reducible_layers

_SAMPLES_PER_IMAGE: Final = 4096  # values of each tensor that are kept; 100 images give 400,000
# Shares of the full range that are tried. Cutting rare large values off makes the steps finer for all others.
_SHARES: Final = tuple(share / 100 for share in range(100, 28, -3))


def prepare_int8(
    model: ModelProto, inputs: Sequence[NDArray[np.float32]], progress: Progress
) -> tuple[Mapping[str, str], Build]:
    """Calibrates; gives the layers that int8 can have, and what makes the network given those that stay float."""
    layers = reducible_layers(model, "int8")
    watched = progress.track(inputs, "Calibrating", len(inputs))
    return layers, partial(quantize, model, calibrate(model, tensors_to_calibrate(model), watched))


def calibrate(model: ModelProto, tensors: Sequence[str], inputs: Iterable[NDArray[np.float32]]) -> dict[str, Range]:
    """Runs the float network and chooses the ranges.

    Args:
        model: the float network.
        tensors: names of the tensors to watch.
        inputs: normalised images, float32 [1, 3, height, width] each.

    Returns:
        For each tensor the range, of those tried, with the least squared error after rounding to 255 steps.
    """
    watched = ModelProto()
    watched.CopyFrom(model)
    known = {value.name for value in watched.graph.output}
    inner = [name for name in tensors if name != NETWORK_INPUT and name not in known]
    watched.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inner)
    session = import_runtime().InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(20180)
    samples: dict[str, list[NDArray[np.float32]]] = {name: [] for name in tensors}
    for pixels in inputs:
        found = dict(zip(inner, session.run(inner, {NETWORK_INPUT: pixels}), strict=True)) | {NETWORK_INPUT: pixels}
        for name in tensors:
            samples[name].append(_sample(found[name].ravel(), generator))
    return {name: _best_range(np.concatenate(values)) for name, values in samples.items()}


def _sample(values: NDArray[np.float32], generator: np.random.Generator) -> NDArray[np.float32]:
    """Takes some values and the two extremes."""
    if len(values) > _SAMPLES_PER_IMAGE:
        chosen = values[generator.integers(0, len(values), _SAMPLES_PER_IMAGE)]
        return np.concatenate([chosen, [values.min(), values.max()]]).astype(np.float32)
    return values


def _best_range(values: NDArray[np.float32]) -> Range:
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    return min((Range(low * share, high * share) for share in _SHARES), key=lambda tried: _squared_error(values, tried))


def _squared_error(values: NDArray[np.float32], tried: Range) -> float:
    scale, zero = tried.scale, np.float32(tried.zero_point)
    whole = np.clip(np.rint(values / scale) + zero, 0, 255)
    return float(np.square((whole - zero) * scale - values).mean())
