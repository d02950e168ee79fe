"""How far answers have moved from the reference distribution that the artifact carries, and when that means something.

Pure arithmetic over counts; knows neither models nor metrics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from imgcls_contract import DriftFiguresReply, DriftReply, DriftStatus
from numpy.typing import NDArray

from imgcls_core.artifact.metadata import ReferenceDistribution

# Below 0.1 nothing has changed, from 0.25 on much has: the usual reading of the index (Siddiqi, Credit Risk
# Scorecards, 2006).
LIMIT_PSI: Final = 0.25

# A class that one side has never seen would make the index infinite; half an observation is the usual stand-in.
_PSEUDO_COUNT: Final = 0.5
# Of the normal distribution: by chance alone one window in a thousand of just enough answers reaches the limit.
_Z_999: Final = 3.0902


@dataclass(frozen=True)
class AnswerCounts:
    """Counts of the same answers in three ways; arrays are int64.

    Args:
        classes: by first answer, [classes].
        confidence: by the first answer's probability, [`REFERENCE_BINS`].
        entropy: by entropy, [`REFERENCE_BINS`].
    """

    classes: NDArray[np.int64]
    confidence: NDArray[np.int64]
    entropy: NDArray[np.int64]

    @property
    def answers(self) -> int:
        """How many answers were counted."""
        return int(self.entropy.sum())


def drift_figures(
    found: AnswerCounts, reference: ReferenceDistribution, limit_psi: float = LIMIT_PSI
) -> DriftFiguresReply:
    """Compares answers with a reference distribution, and judges each of its three by a limit of the index."""
    images = reference.images
    return DriftFiguresReply(
        classes=_drift(found.classes, reference.class_shares, images, limit_psi),
        confidence=_drift(found.confidence, reference.confidence_shares, images, limit_psi),
        entropy=_drift(found.entropy, reference.entropy_shares, images, limit_psi),
    )


def _drift(counts: NDArray[np.int64], expected: tuple[float, ...], images: int, limit_psi: float) -> DriftReply:
    shares = np.asarray(expected)
    needed = answers_needed(int(np.count_nonzero(shares)), images, limit_psi=limit_psi)
    psi = distance = None
    if answers := int(counts.sum()):
        psi = population_stability(counts, shares, images)
        distance = jensen_shannon(counts / answers, shares)
    status: DriftStatus
    if needed is None:
        status = "reference_too_small"
    elif psi is None or answers < needed:
        status = "too_few_answers"
    else:
        status = "drifted" if psi > limit_psi else "stable"
    return DriftReply(status=status, psi=psi, jensen_shannon=distance, answers_needed=needed)


def population_stability(counts: NDArray[np.int64], expected: NDArray[np.float64], images: int) -> float:
    """Gives Σ (p - q) · ln(p / q) of the shares found and expected, over the classes that either side has.

    Both sides are smoothed as if they came from as many observations, the smaller number of the two, so that
    smoothing alone moves neither.

    Args:
        counts: answers in each class or bin, int64 [k], not all zero.
        expected: shares, float64 [k].
        images: how many the shares were measured on.
    """
    answers = int(counts.sum())
    weight = min(answers, images)
    known = (counts > 0) | (expected > 0)
    p = counts[known] * (weight / answers) + _PSEUDO_COUNT
    q = expected[known] * weight + _PSEUDO_COUNT
    p, q = p / p.sum(), q / q.sum()
    return float(((p - q) * np.log(p / q)).sum())


def jensen_shannon(found: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    """Gives the square root of the Jensen-Shannon divergence in bits, 0 to 1, of two vectors of shares [k]."""
    middle = (found + expected) / 2
    divergence = 0.0
    for shares in (found, expected):
        seen = shares > 0
        divergence += float((shares[seen] * np.log2(shares[seen] / middle[seen])).sum()) / 2
    return math.sqrt(max(0.0, divergence))


def answers_needed(classes: int, images: int, *, limit_psi: float = LIMIT_PSI) -> int | None:
    """Gives the number of answers from which chance alone stays below a limit of the index.

    Without drift the index of n answers against m images follows about (1/n + 1/m) · χ² with one degree of freedom
    less than there are classes (Yurdakul and Naranjo, Statistical properties of the population stability index,
    2020); the number returned keeps the 99.9th percentile below the limit.

    Args:
        classes: classes or bins that the reference has seen.
        images: how many the reference was measured on.
        limit_psi: the limit.

    Returns:
        At least 1; None where the reference alone has more noise than the limit allows.
    """
    quantile = _chi_squared_999(classes - 1)
    left = limit_psi - quantile / images
    return max(1, math.ceil(quantile / left)) if left > 0 else None


def _chi_squared_999(freedom: int) -> float:
    """The 99.9th percentile, by Wilson and Hilferty; at most 3 % too high."""
    if freedom < 1:
        return 0.0
    spread = 2 / (9 * freedom)
    return freedom * (1 - spread + _Z_999 * math.sqrt(spread)) ** 3
