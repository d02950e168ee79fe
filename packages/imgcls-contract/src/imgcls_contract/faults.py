"""The faults that make a deployment answer wrongly, and the one that explains what was observed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

FAULTS: Final[Mapping[str, str]] = {
    "channels_exchanged": "red and blue exchanged",
    "no_antialias": "resized without antialiasing",
    "nearest": "resized with nearest neighbour",
    "bilinear_resize": "resized with the bilinear filter instead of the model's own",
    "bicubic_resize": "resized with the bicubic filter instead of the model's own",
    "half_pixel_shift": "sampled half a pixel off",
    "not_normalised": "mean and standard deviation not applied",
    "other_mean_std": "another mean and standard deviation",
    "divided_by_256": "divided by 256 instead of 255",
    "not_scaled": "not divided by 255",
    "scaled": "divided by 255 for a network that takes 0 to 255",
    "softmax_twice": "softmax applied twice",
    "logits": "logits instead of probabilities",
    "crop_wrong": "squashed instead of cropped, or cropped at another place",
    "not_padded": "squashed instead of padded",
    "padded_wrong": "padded in another colour",
    "exif_ignored": "EXIF orientation ignored",
    "exif_mirrored": "EXIF orientation applied mirrored",
    "gray_wrong": "gray images handled wrongly",
    "gray_as_negative": "gray images taken as negatives",
    "alpha_dropped": "transparency dropped instead of laid over white",
    "reduced_decode": "JPEG decoded at a reduced scale",
    "whole_decode": "JPEG decoded whole where a reduced scale is declared",
    "upside_down": "upside down",
    "mirrored": "mirrored",
    "transposed": "height and width exchanged",
    "labels_shifted_up": "labels shifted up by one",
    "labels_shifted_down": "labels shifted down by one",
}

# An answer of another fault may lie so near by chance; what a fault explains lies far nearer, unless it is quantised.
_LEAST_TOLERANCE: Final = 0.01
# So much nearer than another fault that fits too, or than the right answer, and there is no doubt which it is.
_CLEARLY_NEARER: Final = 0.25


class FaultyAnswer(Struct, frozen=True):
    """One class of an answer under a fault; where the fault is missing softmax, the value is no probability."""

    class_id: int
    probability: float


class Counterfactual(Struct, frozen=True):
    """What PyTorch answers for an image under one fault: its most probable classes, best first."""

    fault: str
    top: tuple[FaultyAnswer, ...]


class ObservedCase(Struct, frozen=True):
    """What was answered for an image whose right answer is known.

    Attributes:
        expected: class id → probability of the right answer, of its most probable classes.
        counterfactuals: what the answer would be under each fault; only those that differ from the right one.
        observed: class id → value that was answered, of all classes or of the most probable ones.
    """

    expected: Mapping[int, float]
    counterfactuals: Sequence[Counterfactual]
    observed: Mapping[int, float]


class Explanation(Struct, frozen=True):
    """The fault whose answers were observed.

    Attributes:
        fault: its name in `FAULTS`.
        sentence: what it is.
        matching: answers that are those of the fault.
        cases: wrong answers of which it is known what this fault would have given.
    """

    fault: str
    sentence: str
    matching: int
    cases: int

    @property
    def text(self) -> str:
        """Gives the explanation as half a sentence."""
        return f"{self.matching} of {self.cases} answers are those of: {self.sentence}"


class _Fit(Struct, frozen=True):
    """How a fault fits: case → distance of its answer from what was observed, where it fits."""

    fault: str
    distances: Mapping[int, float]

    @property
    def mean(self) -> float:
        return sum(self.distances.values()) / len(self.distances)


def explain(cases: Sequence[ObservedCase], *, tolerance: float) -> Explanation | None:
    """Names the fault whose answers were observed.

    It is the one that fits most of the wrong answers, at least half of those for which it is known what it would give,
    and the nearest where several do. A fault that cannot be told from another one, or from the right answer, is not
    named.

    Args:
        cases: right and wrong answers; the right ones are left aside.
        tolerance: how far a right answer may be off, the precision's own.
    """
    wrong = [case for case in cases if answer_distance(case.expected, case.observed) > tolerance]
    reach = max(tolerance, _LEAST_TOLERANCE)
    fits = sorted(_fits(wrong, reach), key=lambda fit: (-len(fit.distances), fit.mean))
    if not fits:
        return None
    best, *others = fits
    known = sum(any(one.fault == best.fault for one in case.counterfactuals) for case in wrong)
    if 2 * len(best.distances) < known:
        return None
    if not any(
        _differs_from_right(wrong[case], best.fault, min(reach, max(tolerance, distance / _CLEARLY_NEARER)))
        for case, distance in best.distances.items()
    ):
        return None
    for other in others:
        is_apart = any(case not in other.distances for case in best.distances)
        if not is_apart and best.mean >= other.mean * _CLEARLY_NEARER:
            return None
    return Explanation(best.fault, FAULTS.get(best.fault, best.fault), len(best.distances), known)


def _fits(cases: Sequence[ObservedCase], reach: float) -> Iterator[_Fit]:
    by_fault: dict[str, dict[int, float]] = {}
    for index, case in enumerate(cases):
        for one in case.counterfactuals:
            distance = answer_distance(_values(one), case.observed)
            # Under the fault nothing is more probable than its first class; else a flat answer would fit everything.
            peak = abs(max(case.observed.values(), default=0.0) - one.top[0].probability) if one.top else 0.0
            if max(distance, peak) <= reach:
                by_fault.setdefault(one.fault, {})[index] = max(distance, peak)
    return (_Fit(fault, distances) for fault, distances in by_fault.items())


def _differs_from_right(case: ObservedCase, fault: str, least: float) -> bool:
    return any(
        answer_distance(_values(one), case.expected) > least for one in case.counterfactuals if one.fault == fault
    )


def _values(counterfactual: Counterfactual) -> dict[int, float]:
    return {answer.class_id: answer.probability for answer in counterfactual.top}


def answer_distance(known: Mapping[int, float], answer: Mapping[int, float]) -> float:
    """Gives the largest |Δp| over the known classes; a class that the answer lacks lies below all that it has."""
    lowest = min(answer.values(), default=0.0)
    return max(
        (abs(value - answer[key]) if key in answer else max(0.0, value - lowest) for key, value in known.items()),
        default=0.0,
    )
