"""Whether probabilities mean what they say: log loss, expected calibration error, and the temperature that mends them.

Everything works on log-probabilities: dividing them by a temperature before the softmax is the same as dividing the
logits. Sources: Guo et al. 2017, "On Calibration of Modern Neural Networks" (temperature scaling, ECE in 15 bins).
"""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

BINS: Final = 15
# Beyond these a fit has found no optimum: every answer right, or none better than chance.
_LOW, _HIGH = 0.05, 20.0
_STEPS: Final = 40  # of the golden section: the temperature to 8 digits
_LEAST_IMAGES: Final = 4


class ReliabilityBin(msgspec.Struct, frozen=True):
    """Images whose first answer's probability lies in one interval, upper end included.

    Args:
        low: lower end of the interval.
        high: upper end.
        images: how many.
        confidence: their mean probability; 0 where there are none.
        accuracy: share of them that are right; 0 where there are none.
    """

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


class Calibration(msgspec.Struct, frozen=True):
    """How well probabilities fit: `log_loss` in nats, `ece` 0 to 1, and the bins that `ece` sums up."""

    log_loss: float
    ece: float
    bins: tuple[ReliabilityBin, ...]


class TemperatureFit(msgspec.Struct, frozen=True):
    """A temperature, and how it does on images that it was not fitted on.

    Args:
        temperature: fitted on all images.
        halves: fitted on one half of each class's images and on the other.
        held_out: calibration over all images, each with the temperature of the half that it is not in.
        is_inner: whether all three are true optima; at an end of the range there is none.
    """

    temperature: float
    halves: tuple[float, float]
    held_out: Calibration
    is_inner: bool


def tempered(log_probabilities: NDArray[Any], temperature: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Gives the log-probabilities [N, classes] at a temperature, or at one for each row [N, 1]."""
    scaled = log_probabilities.astype(np.float64) / temperature
    top = scaled.max(axis=1, keepdims=True)
    return scaled - top - np.log(np.exp(scaled - top).sum(axis=1, keepdims=True))


def measure_calibration(log_probabilities: NDArray[np.float64], expected: NDArray[np.intp]) -> Calibration:
    """Measures answers [N, classes] against the expected class ids [N]."""
    confidence = np.exp(log_probabilities.max(axis=1))
    right = log_probabilities.argmax(axis=1) == expected
    places = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    bins: list[ReliabilityBin] = []
    for place in range(BINS):
        inside = places == place
        images = int(inside.sum())
        bins.append(
            ReliabilityBin(
                place / BINS,
                (place + 1) / BINS,
                images,
                float(confidence[inside].mean()) if images else 0.0,
                float(right[inside].mean()) if images else 0.0,
            )
        )
    ece = sum(one.images * abs(one.confidence - one.accuracy) for one in bins) / len(expected)
    return Calibration(_log_loss(log_probabilities, expected), ece, tuple(bins))


def fit_temperature(log_probabilities: NDArray[Any], expected: NDArray[np.intp]) -> float:
    """Finds the temperature with the least log loss, 0.05 to 20.

    The log loss is convex in the inverse temperature, so a golden section over its logarithm finds the minimum.
    """

    def loss(log_temperature: float) -> float:
        return _log_loss(tempered(log_probabilities, math.exp(log_temperature)), expected)

    low, high, share = math.log(_LOW), math.log(_HIGH), (math.sqrt(5) - 1) / 2
    left, right = high - share * (high - low), low + share * (high - low)
    at_left, at_right = loss(left), loss(right)
    for _ in range(_STEPS):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - share * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + share * (high - low)
            at_right = loss(right)
    return math.exp((low + high) / 2)


def cross_fit_temperature(
    log_probabilities: NDArray[Any], expected: NDArray[np.intp], *, seed: int
) -> TemperatureFit | None:
    """Fits a temperature on each half of the images and judges it on the other one.

    Args:
        log_probabilities: at temperature 1, [N, classes].
        expected: class ids, [N].
        seed: of the halves, which are drawn class by class.

    Returns:
        The fit; None for fewer than 4 images.
    """
    if len(expected) < _LEAST_IMAGES:
        return None
    first = _half(expected, seed)
    on_first = fit_temperature(log_probabilities[first], expected[first])
    on_second = fit_temperature(log_probabilities[~first], expected[~first])
    swapped = np.where(first, on_second, on_first)[:, None]  # [N, 1]
    on_all = fit_temperature(log_probabilities, expected)
    return TemperatureFit(
        on_all,
        (on_first, on_second),
        measure_calibration(tempered(log_probabilities, swapped), expected),
        all(_LOW * 1.01 < found < _HIGH / 1.01 for found in (on_all, on_first, on_second)),
    )


def _half(expected: NDArray[np.intp], seed: int) -> NDArray[np.bool_]:
    """Marks one half of the images: every other one of a shuffled row in which each class stands together."""
    shuffled = np.random.default_rng(seed).permutation(len(expected))
    grouped = shuffled[np.argsort(expected[shuffled], kind="stable")]
    chosen = np.zeros(len(expected), np.bool_)
    chosen[grouped[::2]] = True
    return chosen


def _log_loss(log_probabilities: NDArray[np.float64], expected: NDArray[np.intp]) -> float:
    return -float(log_probabilities[np.arange(len(expected)), expected].mean())
