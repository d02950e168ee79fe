"""Answers put into classes and bins: the one rule for reference distributions and for the traffic compared with them.

Knows probabilities alone; counts nothing over time and judges nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgcls_core.artifact.metadata import REFERENCE_BINS, ReferenceDistribution

# log(0) is -inf, and 0 · -inf no number; no probability of float32 but 0 is smaller.
_TINY = np.float32(1e-45)


@dataclass(frozen=True)
class AnswerBins:
    """Where answers fall; each array is int64 [N].

    Args:
        class_ids: the first answers.
        confidence_bins: their probabilities, in `REFERENCE_BINS` bins of equal width from 0 to 1; a value on a border
            belongs to the upper bin, and 1 to the last.
        entropy_bins: the entropies of the answers divided by the logarithm of the number of classes, in as many bins
            from 0 (certain) to 1 (every class alike).
    """

    class_ids: NDArray[np.int64]
    confidence_bins: NDArray[np.int64]
    entropy_bins: NDArray[np.int64]


def answer_bins(probabilities: NDArray[np.float32]) -> AnswerBins:
    """Puts answers into their bins.

    Args:
        probabilities: float32 [N, classes], rows sum to 1. Of equally probable classes the first is the answer. What
            is not a number falls into the lowest bin: counting must not be what fails.
    """
    class_ids = probabilities.argmax(axis=1)  # [N]
    confidence = probabilities.max(axis=1)
    return AnswerBins(class_ids, _bins(confidence), _bins(entropies(probabilities)))


def entropies(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gives the entropy of each answer over its maximum: 0 is certain, 1 every class alike.

    Args:
        probabilities: float32 [N, classes].
    """
    # Σ p · ln p of each row, without an array of the products.
    entropy = -np.einsum("nc,nc->n", probabilities, np.log(np.maximum(probabilities, _TINY)))
    return entropy / math.log(classes) if (classes := probabilities.shape[1]) > 1 else entropy


def reference_distribution(probabilities: NDArray[np.float32]) -> ReferenceDistribution:
    """Measures the reference distribution that an artifact carries.

    Args:
        probabilities: float32 [N, classes], the model's answers for images of the kind that it will be asked about,
            none of which it was trained on: of those it is too sure.

    Raises:
        ValueError: no answers.
    """
    images, classes = probabilities.shape
    if not images:
        raise ValueError("a reference distribution needs at least one answer, found none")
    bins = answer_bins(probabilities)
    return ReferenceDistribution(
        images=images,
        class_shares=_shares(bins.class_ids, classes),
        confidence_shares=_shares(bins.confidence_bins, REFERENCE_BINS),
        entropy_shares=_shares(bins.entropy_bins, REFERENCE_BINS),
    )


def _bins(values: NDArray[np.float32]) -> NDArray[np.int64]:
    # fmax gives the number where the other is none.
    return np.minimum(np.fmax(values, 0) * REFERENCE_BINS, REFERENCE_BINS - 1).astype(np.int64)


def _shares(bins: NDArray[np.int64], count: int) -> tuple[float, ...]:
    return tuple((np.bincount(bins, minlength=count) / len(bins)).tolist())
