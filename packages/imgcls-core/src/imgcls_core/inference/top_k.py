"""The most probable classes of an answer, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from imgcls_contract import ClassProbability
from numpy.typing import NDArray

from imgcls_core.artifact.metadata import ClassInfo

# Up to so many classes the largest value is looked for again and again; it takes a tenth of the time of sorting.
_FEW: Final = 10


def top_k(probabilities: NDArray[np.float32], classes: Sequence[ClassInfo], k: int) -> list[ClassProbability]:
    """Names the k most probable classes, most probable first; equal ones in order of their ids.

    Args:
        probabilities: float32 [classes].
        classes: what they are called.
        k: 1 to the number of classes.

    Raises:
        ValueError: k out of range or a vector of another length.
    """
    if not 1 <= k <= len(classes):
        raise ValueError(f"k is {k}; the artifact has {len(classes)} classes, so 1 to {len(classes)} can be named")
    if probabilities.shape != (len(classes),):
        raise ValueError(f"probabilities have shape {list(probabilities.shape)}; one row has [{len(classes)}]")
    return [ClassProbability(i, classes[i].label, probabilities.item(i)) for i in top_ids(probabilities, k)]


def top_ids(probabilities: NDArray[np.float32], k: int) -> list[int]:
    """Gives the ids of the k most probable classes of float32 [classes], in the order of `top_k`."""
    return _few_largest(probabilities, k) if k <= _FEW else _largest(probabilities, k)


def _few_largest(probabilities: NDArray[np.float32], k: int) -> list[int]:
    left = probabilities.copy()
    best: list[int] = []
    for _ in range(k):
        best.append(int(left.argmax()))
        left[best[-1]] = -1.0
    return best


def _largest(probabilities: NDArray[np.float32], k: int) -> list[int]:
    lowest = np.partition(probabilities, -k)[-k]
    # Ties at the border: all that reach the k-th value compete.
    candidates = np.flatnonzero(probabilities >= lowest)
    return candidates[np.argsort(-probabilities[candidates], kind="stable")][:k].tolist()
