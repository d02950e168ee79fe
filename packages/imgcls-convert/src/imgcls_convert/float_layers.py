"""Decides which layers of a reduced network stay float, by measuring what each of them costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from imgcls_core.artifact import OUTPUT_NAME
from imgcls_core.cpus import allotted_cpus
from imgcls_core.inference.onnx_runtime import import_runtime
from imgcls_networks.progress import Progress
from numpy.typing import NDArray
from onnx import ModelProto

from imgcls_convert.preprocess_graph import NETWORK_INPUT

_RANKING_IMAGES: Final = 16  # with 8 the sample network kept 9 layers in float instead of 3
_MOST_LAYERS_RANKED: Final = 160  # beyond that the ranking would take longer than it is worth
_FLOAT_SHARE: Final = 0.25  # of the layers at most; with more the network is hardly smaller or faster

Build = Callable[[Sequence[str]], ModelProto]


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
    """The reduced network and the layers that stayed float; `rank` names all layers, the costliest first."""

    model: ModelProto
    float_layers: tuple[str, ...]
    rank: Callable[[], Sequence[str]]


def choose_float_layers(
    build: Build,
    layers: Sequence[str],
    float_model: ModelProto,
    inputs: Sequence[NDArray[np.float32]],
    target: Target,
    progress: Progress,
) -> Choice:
    """Reduces as many layers as the target allows.

    Args:
        build: makes the reduced network, given the names of the layers that stay float.
        layers: names of all that could be reduced.
        float_model: the network in float32.
        inputs: normalised images, float32 [1, 3, height, width]; none of them may be used for the gate.
        target: on these images.
        progress: shown the progress.

    Returns:
        The first choice that reaches the target, trying none, then the costliest 1, 2, 4, …; else the best found.
    """
    wanted = answers(float_model, inputs)
    model = build([])

    @cache
    def rank() -> Sequence[str]:
        if not 1 < len(layers) <= _MOST_LAYERS_RANKED:
            return ()
        few = slice(None, None, max(1, len(inputs) // _RANKING_IMAGES))
        cost: dict[str, float] = {}
        for layer in progress.track(layers, "Ranking layers", len(layers)):
            alone = build([other for other in layers if other != layer])
            cost[layer] = _divergence(wanted[few], answers(alone, inputs[few]))
        return sorted(layers, key=lambda layer: -cost[layer])

    best, best_score = Choice(model, (), rank), _score(wanted, answers(model, inputs))
    if _reaches(best_score, target):
        return best
    count = 1
    while count <= len(rank()) * _FLOAT_SHARE:
        kept = tuple(rank()[:count])
        model = build(kept)
        score = _score(wanted, answers(model, inputs))
        if score > best_score:
            best, best_score = Choice(model, kept, rank), score
        if _reaches(score, target):
            break
        count = max(count + 1, count * 3 // 2)
    return best


def answers(model: ModelProto, inputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Runs a network: probabilities float32 [images, classes]."""
    runtime = import_runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = allotted_cpus()
    options.log_severity_level = 3
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run([OUTPUT_NAME], {NETWORK_INPUT: pixels})[0] for pixels in inputs])


def _score(wanted: NDArray[np.float32], found: NDArray[np.float32]) -> tuple[float, float]:
    """Agreement and minus the mean |Δp|, so that a larger score is better; NaN counts as the worst."""
    agreement = float((wanted.argmax(axis=1) == found.argmax(axis=1)).mean())
    distance = np.nan_to_num(np.abs(wanted - found), nan=1.0).max(axis=1)
    return agreement, -float(distance.mean())


def _reaches(score: tuple[float, float], target: Target) -> bool:
    return score[0] >= target.agreement and -score[1] <= target.mean_abs_diff


def _divergence(wanted: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """Kullback-Leibler divergence, the mean over the images."""
    tiny = np.float32(1e-9)
    logs = np.log(wanted + tiny) - np.log(np.nan_to_num(found) + tiny)
    return float((wanted * logs).sum(axis=1).mean())
