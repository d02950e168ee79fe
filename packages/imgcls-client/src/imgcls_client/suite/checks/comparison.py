"""How far answers are apart, how far they may be, and what explains it."""

from __future__ import annotations

import struct
from base64 import b64decode
from collections.abc import Mapping, Sequence

from imgcls_contract import ClassProbability, GoldenCaseReply, Prediction
from imgcls_contract.faults import ObservedCase, answer_distance, explain

from imgcls_client.suite.check import CheckFailedError, require

# Same pixels, so only batching and the provider's arithmetic may differ; int8's wide tolerance to PyTorch is no excuse.
SAME_PIXELS_TOLERANCE = 0.01
# Encoded with loss: one or two levels of 255 apart.
NEARLY_SAME_PIXELS_TOLERANCE = 0.05
# Below this a model cannot tell the two images apart, so nothing can be concluded from them.
TELLS_APART = 0.02


def whole(answer: Prediction) -> list[float]:
    """Gives the whole vector of an answer.

    Raises:
        CheckFailedError: it has none.
    """
    if answer.probabilities is None:
        raise CheckFailedError("the answer has no `probabilities` although they were asked for")
    return answer.probabilities


def vector_difference(one: Sequence[float], other: Sequence[float]) -> float:
    """Gives the largest difference between two whole vectors (0 to 1)."""
    require(len(one) == len(other), f"one answer has {len(one)} probabilities, another {len(other)}")
    return max((abs(a - b) for a, b in zip(one, other, strict=True)), default=0.0)


def by_class(top: Sequence[ClassProbability]) -> dict[int, float]:
    """Gives class id → probability."""
    return {each.class_id: each.probability for each in top}


def golden_difference(case: GoldenCaseReply, vector: Sequence[float]) -> float:
    """Gives the largest difference to PyTorch's recorded answer (0 to 1): its whole vector where there is one."""
    if case.vector_base64 is not None:
        packed = b64decode(case.vector_base64)
        return vector_difference(struct.unpack(f"<{len(packed) // 4}f", packed[: len(packed) // 4 * 4]), vector)
    return answer_distance(by_class(case.top), dict(enumerate(vector)))


def explanation(cases: Sequence[GoldenCaseReply], actual: Sequence[Mapping[int, float]], *, tolerance: float) -> str:
    """Names the fault whose answers were given, as the end of a sentence; empty where none explains them."""
    observed = [
        ObservedCase(expected=by_class(case.top), counterfactuals=case.counterfactuals, observed=answer)
        for case, answer in zip(cases, actual, strict=True)
    ]
    found = explain(observed, tolerance=tolerance)
    return "" if found is None else f"; {found.text}"


def shorten(items: Sequence[str], most: int = 3) -> str:
    """Lists a few and counts the rest."""
    rest = f" and {len(items) - most} more" if len(items) > most else ""
    return "; ".join(items[:most]) + rest
