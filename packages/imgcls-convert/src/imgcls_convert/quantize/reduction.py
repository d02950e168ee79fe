"""A float32 network in another precision: fp16 or int8. Which layers stay float is decided by measuring their cost."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, TypeAlias

import numpy as np
from imgcls_cli.progress import Progress
from imgcls_core.artifact import NETWORK_INPUT, OUTPUT_NAME, Precision
from imgcls_core.cpus import allotted_cpus
from imgcls_core.inference.onnx_runtime import import_runtime
from imgcls_networks.errors import RequestError
from numpy.typing import NDArray
from onnx import ModelProto

from imgcls_convert.quantize.calibration import prepare_int8
from imgcls_convert.quantize.fp16 import prepare_fp16
from imgcls_convert.quantize.layers import Build
from imgcls_convert.quantize.second_look import (
    MOST_SECOND_LOOKS,
    SecondLook,
    add_second_look,
    choose_second_look,
    expected_flips,
)

_RANKING_IMAGES: Final = 16  # with 8 the sample network kept 9 layers in float instead of 3
_MOST_LAYERS_RANKED: Final = 160  # beyond that the ranking would take longer than it is worth
MAX_FLOAT_SHARE: Final = 0.25  # of the layers at most; with more the network is hardly smaller or faster


@dataclass(frozen=True)
class Target:
    """What is good enough on the images that were used to choose; stricter than the gate, which asks others.

    Args:
        agreement: share of images with the same top-1.
        mean_abs_diff: mean over the images of the largest |Δp|.
    """

    agreement: float
    mean_abs_diff: float


@dataclass(frozen=True)
class Choice:
    """The reduced network and the layers that stayed float; `rank` names all layers, the costliest first.

    Layers are named as PyTorch calls them, where the exporter has kept the name of their weights. `second_look` is None
    where int8 is good enough without, and in other precisions.
    """

    model: ModelProto
    float_layers: Sequence[str]
    rank: Callable[[], Sequence[str]]
    second_look: SecondLook | None = None


_Prepare: TypeAlias = Callable[[ModelProto, Sequence[NDArray[np.float32]], Progress], tuple[Mapping[str, str], Build]]
# A new precision is a module that prepares it, and a line in each of these two.
_PREPARE: Final[Mapping[Precision, _Prepare]] = {
    "fp16": prepare_fp16,
    "int8": prepare_int8,
}
_TARGET: Final[dict[Precision, Target]] = {"fp16": Target(1.0, 0.01), "int8": Target(0.995, 0.015)}


def reduce(
    model: ModelProto,
    precision: Precision,
    inputs: Sequence[NDArray[np.float32]],
    progress: Progress,
    *,
    float_layers: Sequence[str] = (),
    float_share: float = MAX_FLOAT_SHARE,
    most_second_looks: float = MOST_SECOND_LOOKS,
) -> Choice:
    """Reduces as many layers as the target of the precision allows.

    Args:
        model: float32, from `NETWORK_INPUT` to probabilities.
        precision: "fp16" or "int8".
        inputs: normalised images, float32 [1, 3, height, width], for calibration and for the choice of float layers;
            none of them may be used for the gate.
        progress: shown the progress.
        float_layers: names of those that stay float in any case, as PyTorch calls them.
        float_share: share of all layers, at most, that may stay float by measurement.
        most_second_looks: share of the images, at most, that the float network may answer behind int8.

    Returns:
        The first choice that reaches the target, by itself or with a second look, trying none but those that were
        named, then the costliest 1, 2, 4, … of the others; else the best found.

    Raises:
        RequestError: there is no layer of a name.
        ConversionError: there is nothing in the network that could be reduced.
    """
    names, build = _PREPARE[precision](model, inputs, progress)
    layers, target = list(names), _TARGET[precision]
    named = _named(names, float_layers)
    expected = _answers(model, inputs)
    looks_twice = precision == "int8" and most_second_looks > 0 and expected.shape[1] > 1

    @cache
    def rank() -> Sequence[str]:
        if not 1 < len(layers) <= _MOST_LAYERS_RANKED:
            return ()
        few = slice(None, None, max(1, len(inputs) // _RANKING_IMAGES))
        cost: dict[str, float] = {}
        for layer in progress.track(layers, "Ranking layers", len(layers)):
            alone = build([other for other in layers if other != layer])
            cost[layer] = _divergence(expected[few], _answers(alone, inputs[few]))
        return sorted(layers, key=lambda layer: -cost[layer])

    def ranked() -> Sequence[str]:
        return [names[layer] for layer in rank()]

    def attempt(kept: Sequence[str]) -> tuple[Choice, tuple[float, float], bool]:
        """Gives a choice, its score, and whether it will do."""
        floating = [*named, *kept]
        reduced = build(floating)
        actual = _answers(reduced, inputs)
        score, look = _score(expected, actual), None
        done = _reaches(score, target)
        if looks_twice and np.isfinite(actual).all():
            done &= expected_flips(expected, actual) <= 1 - target.agreement
            look = None if done else choose_second_look(expected, actual)
            if look and look.share <= most_second_looks:
                reduced, done, look = add_second_look(reduced, model, look), True, replace(look, is_taken=True)
        return Choice(reduced, [names[layer] for layer in floating], ranked, look), score, done

    best, best_score, done = attempt([])
    others = [] if done else [layer for layer in rank() if layer not in named]
    count = 1
    while not done and count <= len(layers) * float_share and count <= len(others):
        choice, score, done = attempt(others[:count])
        if done or score > best_score:
            best, best_score = choice, score
        count = max(count + 1, count * 3 // 2)
    return best


def _named(layers: Mapping[str, str], names: Sequence[str]) -> list[str]:
    """Finds layers by the names that PyTorch gives them.

    Raises:
        RequestError: there is none of a name.
    """
    known = {name: layer for layer, name in layers.items()}
    if unknown := [name for name in names if name not in known]:
        near = difflib.get_close_matches(unknown[0], known, n=3) or list(known)[:3]
        raise RequestError(f"`--float-layers {unknown[0]}`: the network has no such layer; it has {', '.join(near)} …")
    return [known[name] for name in names]


def _answers(model: ModelProto, inputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Runs a network: probabilities float32 [images, classes]."""
    runtime = import_runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = allotted_cpus()
    options.log_severity_level = 4
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run([OUTPUT_NAME], {NETWORK_INPUT: pixels})[0] for pixels in inputs])


def _score(expected: NDArray[np.float32], actual: NDArray[np.float32]) -> tuple[float, float]:
    """Gives agreement and minus the mean |Δp|, so that a larger score is better; NaN counts as the worst."""
    agreement = float((expected.argmax(axis=1) == actual.argmax(axis=1)).mean())
    distance = np.nan_to_num(np.abs(expected - actual), nan=1.0).max(axis=1)
    return agreement, -float(distance.mean())


def _reaches(score: tuple[float, float], target: Target) -> bool:
    return score[0] >= target.agreement and -score[1] <= target.mean_abs_diff


def _divergence(expected: NDArray[np.float32], actual: NDArray[np.float32]) -> float:
    """Gives the Kullback-Leibler divergence, the mean over the images."""
    tiny = np.float32(1e-9)
    logs = np.log(expected + tiny) - np.log(np.nan_to_num(actual) + tiny)
    return float((expected * logs).sum(axis=1).mean())
