"""A float32 network in another precision: fp16 or int8, with what is sensitive left in float32."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

import numpy as np
from imgcls_core.artifact import Precision
from imgcls_networks.progress import Progress
from numpy.typing import NDArray
from onnx import ModelProto

from imgcls_convert.calibration import calibrate
from imgcls_convert.errors import ConversionError
from imgcls_convert.float_layers import Choice, Target, choose_float_layers
from imgcls_convert.half_precision import half_precision
from imgcls_convert.network_graph import NetworkGraph
from imgcls_convert.quantise import quantisable_layers, quantise, tensors_to_calibrate

# Top-1 agreement with PyTorch below which an artifact is refused, and what its sensitive layers are chosen for.
AGREEMENT_BAR: Final[dict[Precision, float]] = {"fp32": 1.0, "fp16": 0.995, "int8": 0.98}
_TARGET: Final[dict[Precision, Target]] = {"fp16": Target(1.0, 0.01), "int8": Target(0.995, 0.015)}


def reduce(
    model: ModelProto, precision: Precision, inputs: Sequence[NDArray[np.float32]], progress: Progress
) -> Choice:
    """Reduces a network.

    Args:
        model: float32, from `NETWORK_INPUT` to probabilities.
        precision: "fp16" or "int8".
        inputs: normalised images for calibration and for the choice of float layers.
        progress: shown the progress.

    Raises:
        ConversionError: there is nothing in the network that could be reduced.
    """
    graph = NetworkGraph(model)
    layers = quantisable_layers(graph)
    if not layers:
        raise ConversionError(
            f"The network has no convolution or matrix product with weights, so {precision} changes nothing; "
            "convert it with `--precision fp32`."
        )
    if precision == "fp16":
        return choose_float_layers(partial(half_precision, model), layers, model, inputs, _TARGET[precision], progress)
    ranges = calibrate(model, tensors_to_calibrate(graph), progress.track(inputs, "Calibrating", len(inputs)))
    return choose_float_layers(partial(quantise, model, ranges), layers, model, inputs, _TARGET[precision], progress)
