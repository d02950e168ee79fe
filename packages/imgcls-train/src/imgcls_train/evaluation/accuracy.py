"""How often a model is right: shares with their uncertainty, class by class, and what it takes for what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from imgcls_contract import wilson_interval
from imgcls_core.artifact import ClassInfo
from numpy.typing import NDArray


class Share(msgspec.Struct, frozen=True):
    """A share of right answers in percent, with the ends of its 95 % Wilson interval."""

    pct: float
    low_pct: float
    high_pct: float


class ClassAccuracy(msgspec.Struct, frozen=True):
    """One class: how many images it has, and how often the first answer to them is right."""

    class_id: int
    label: str
    images: int
    top1: Share


class Confusion(msgspec.Struct, frozen=True):
    """How many images of one class got another class as their first answer."""

    expected_class_id: int
    predicted_class_id: int
    expected: str
    predicted: str
    images: int
    of: int


def wilson_share(right: int, images: int) -> Share:
    """Gives a share with its 95 % Wilson score interval, which holds near 0 and 100 % and for few images too."""
    low, high = wilson_interval(right, images)
    return Share(100 * right / images, 100 * low, 100 * high)


def ranks(log_probabilities: NDArray[Any], expected: NDArray[np.intp]) -> NDArray[np.intp]:
    """Gives the place of the expected class in each answer: int [N], 0 is the first; equal ones in order of ids."""
    own = log_probabilities[np.arange(len(expected)), expected][:, None]
    ids = np.arange(log_probabilities.shape[1])
    before = (log_probabilities > own) | ((log_probabilities == own) & (ids < expected[:, None]))
    return before.sum(axis=1)


def accuracy_by_class(
    expected: NDArray[np.intp], predicted: NDArray[np.intp], classes: Sequence[ClassInfo]
) -> tuple[ClassAccuracy, ...]:
    """Gives each class that has images, the worst first."""
    rows = [
        ClassAccuracy(
            entry.id,
            entry.label,
            int((expected == entry.id).sum()),
            wilson_share(
                int(((expected == entry.id) & (predicted == entry.id)).sum()), int((expected == entry.id).sum())
            ),
        )
        for entry in classes
        if bool((expected == entry.id).any())
    ]
    return tuple(sorted(rows, key=lambda row: (row.top1.pct, row.class_id)))


def confusions(
    expected: NDArray[np.intp], predicted: NDArray[np.intp], classes: Sequence[ClassInfo]
) -> tuple[Confusion, ...]:
    """Gives every pair of classes that was taken for one another, the most frequent first."""
    pairs = Counter((int(e), int(p)) for e, p in zip(expected, predicted, strict=True) if e != p)
    images = Counter(map(int, expected))
    return tuple(
        Confusion(e, p, classes[e].label, classes[p].label, count, images[e])
        for (e, p), count in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    )
