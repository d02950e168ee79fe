"""How far a distribution has moved from a reference, and how much of that chance alone explains."""

import json
import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from imgcls_client.errors import SettingsError
from imgcls_client.json_fields import FieldError, as_object, integer, is_list, number

__all__ = [
    "answers_needed",
    "drift_index",
    "expected_noise",
    "jensen_shannon",
    "population_stability",
    "read_reference",
]

# A class that one side has never seen would make the index infinite; half an observation is the usual stand-in.
PSEUDO_COUNT = 0.5
# 99.9th percentile of the normal distribution.
Z_999 = 3.0902
# Drawing takes about 0.2 s at most; beyond so many answers a formula is as good.
MOST_DRAWN = 2000
DRAWS = 100

Counts = Mapping[int, float]


def shares(counts: Counts, classes: Iterable[int]) -> list[float]:
    """Turn counts into shares over certain classes, smoothed."""
    values = [counts.get(each, 0.0) + PSEUDO_COUNT for each in classes]
    return [value / sum(values) for value in values]


def population_stability(now: Counts, reference: Counts) -> float:
    """Give the population stability index over the classes that either side has.

    Below 0.1 is usually taken as stable, above 0.25 as a shift.

    Source:
        Σ (p - q) · ln(p / q), as in credit scoring (Siddiqi, Credit Risk Scorecards, 2006).
    """
    classes = sorted(now.keys() | reference.keys())
    pairs = zip(shares(now, classes), shares(reference, classes), strict=True)
    return sum((p - q) * math.log(p / q) for p, q in pairs)


def drift_index(now: Counts, reference: Counts, images: int | None = None) -> float:
    """Give the population stability index against shares or counts of any total.

    Both sides count as if they came from as many answers, the smaller number of the two, so that smoothing weighs
    them alike.

    Args:
        now: Answers.
        reference: Shares or counts.
        images: How many the reference was measured on; None where it is exact.
    """
    answers = sum(now.values())
    weight = answers if images is None else min(answers, images)
    scale, reference_scale = weight / (answers or 1.0), weight / (sum(reference.values()) or 1.0)
    return population_stability(
        {each: value * scale for each, value in now.items()},
        {each: value * reference_scale for each, value in reference.items()},
    )


def answers_needed(classes: int, images: int, limit: float) -> int | None:
    """Give the number of answers from which chance alone stays below a limit of the index, 999 times of 1000.

    Without drift the index of n answers against m images follows about (1/n + 1/m) · χ² with one degree of freedom
    less than there are classes.

    Args:
        classes: Classes or bins that the reference has seen.
        images: How many the reference was measured on.
        limit: Above 0.

    Returns:
        At least 1; None where the reference alone has more noise than the limit allows.

    Source:
        Yurdakul and Naranjo, Statistical properties of the population stability index (2020); the percentile by
        Wilson and Hilferty's approximation.
    """
    freedom = classes - 1
    spread = 2 / (9 * freedom) if freedom > 0 else 0.0
    quantile = max(0, freedom) * (1 - spread + Z_999 * math.sqrt(spread)) ** 3
    left = limit - quantile / images
    return max(1, math.ceil(quantile / left)) if left > 0 else None


def expected_noise(now: Counts, reference: Counts) -> float:
    """Give the index that chance alone explains for so few answers: the largest of a hundred draws without drift.

    For many answers it is known without drawing: n · PSI then follows about a χ² distribution with k - 1 degrees of
    freedom (n answers, k classes), whose 99th percentile is near its mean plus 2.5 standard deviations.
    """
    answers = round(sum(now.values()))
    if not answers or not reference:
        return 0.0
    if answers > MOST_DRAWN:
        freedom = max(0, len(now.keys() | reference.keys()) - 1)
        return (freedom + 2.5 * math.sqrt(2 * freedom)) / answers
    dice = random.Random(0)  # noqa: S311 - the same verdict for the same pass every time
    classes, weights = list(reference), list(reference.values())
    draws = (Counter(dice.choices(classes, weights, k=answers)) for _ in range(DRAWS))
    return max(drift_index(draw, reference) for draw in draws)


def jensen_shannon(now: Counts, reference: Counts) -> float:
    """Give the Jensen-Shannon distance in bits: 0 for the same distribution, 1 for one without common classes."""
    totals = sum(now.values()), sum(reference.values())
    if not all(totals):
        return 0.0
    divergence = 0.0
    for each in now.keys() | reference.keys():
        p, q = now.get(each, 0.0) / totals[0], reference.get(each, 0.0) / totals[1]
        middle = (p + q) / 2
        divergence += sum(share / 2 * math.log2(share / middle) for share in (p, q) if share)
    return math.sqrt(max(0.0, divergence))


def read_reference(path: Path) -> dict[int, float]:
    """Read a reference distribution: `{"classes": [{"class_id": 0, "share": 0.1}, …]}` or `{"0": 0.1, …}`.

    Raises:
        SettingsError: The file is neither.
    """
    try:
        document = as_object(json.loads(path.read_text(encoding="utf-8")), "the reference")
        listed = document.get("classes")
        if is_list(listed):
            entries = [as_object(entry, "a class") for entry in listed]
            return {integer(entry, "class_id"): number(entry, "share") for entry in entries}
        return {int(class_id): number(document, class_id) for class_id in document}
    except (OSError, ValueError, FieldError) as error:
        raise SettingsError(f"The reference distribution {path} cannot be used: {error}.") from error
