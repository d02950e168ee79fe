"""How far two answers are apart, and how far they may be."""

from __future__ import annotations

from imgcls_contract import GoldenCaseReply, Prediction

from imgcls_client.suite.check import CheckFailedError, require

# Same pixels, so only batching and the provider's arithmetic may differ; int8's wide tolerance to PyTorch is no excuse.
SAME_PIXELS_TOLERANCE = 0.01
# Encoded with loss: one or two levels of 255 apart.
NEARLY_SAME_PIXELS_TOLERANCE = 0.05
# Below this a model cannot tell the two images apart, so nothing can be concluded from them.
TELLS_APART = 0.02


def largest_difference(one: Prediction, other: Prediction) -> float:
    """Gives the largest difference between two whole vectors (0 to 1)."""
    if one.probabilities is None or other.probabilities is None:
        raise CheckFailedError("the answer has no `probabilities` although they were asked for")
    require(
        len(one.probabilities) == len(other.probabilities),
        f"one answer has {len(one.probabilities)} probabilities, another {len(other.probabilities)}",
    )
    return max((abs(a - b) for a, b in zip(one.probabilities, other.probabilities, strict=True)), default=0.0)


def golden_difference(case: GoldenCaseReply, answer: Prediction) -> float:
    """Gives the largest difference to PyTorch's recorded probabilities (0 to 1)."""
    if answer.probabilities is None:
        raise CheckFailedError("the answer has no `probabilities` although they were asked for")
    vector = answer.probabilities
    return max(
        abs(vector[score.class_id] - score.probability) if score.class_id < len(vector) else score.probability
        for score in case.top
    )


def shorten(items: list[str], most: int = 3) -> str:
    """Lists a few and counts the rest."""
    rest = f" and {len(items) - most} more" if len(items) > most else ""
    return "; ".join(items[:most]) + rest
