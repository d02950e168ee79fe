"""How far the distribution of answered classes has moved from a reference."""

import json
import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from imgcls_client.errors import SettingsError
from imgcls_client.json_fields import FieldError, as_object, integer, is_list, number
from imgcls_client.monitor.observation import Observation

__all__ = ["class_counts", "drift_index", "expected_noise", "jensen_shannon", "population_stability", "read_reference"]

# A class that one side has never seen would make the index infinite; half an observation is the usual stand-in.
PSEUDO_COUNT = 0.5
# Drawing takes about 0.2 s at most; beyond so many answers a formula is as good.
MOST_DRAWN = 2000
DRAWS = 100

Counts = Mapping[int, float]


def class_counts(observations: Iterable[Observation]) -> Counter[int]:
    """Count the classes that were answered."""
    return Counter(
        call.class_id for observation in observations for call in observation.calls if call.class_id is not None
    )


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


def drift_index(now: Counts, reference: Counts) -> float:
    """Give the population stability index against shares or counts of any total.

    The reference counts as if it came from as many answers, so that smoothing weighs both sides alike.
    """
    scale = sum(now.values()) / (sum(reference.values()) or 1.0)
    return population_stability(now, {each: value * scale for each, value in reference.items()})


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
