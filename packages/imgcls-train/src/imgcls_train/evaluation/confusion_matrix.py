"""A confusion matrix of many classes, to be looked at: those confused most side by side, and all of them in groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from imgcls_train.evaluation.document import ImageAnswers


@dataclass(frozen=True)
class ConfusionMatrix:
    """Counts of images by labelled and answered class.

    Args:
        groups: the class ids of each row and column; one each, but where classes were taken together.
        counts: row by row; a row is what the images of its classes were answered with.
        others: of each row, how many were answered with a class that has no column.
        is_whole: whether every labelled class has a row.
    """

    groups: tuple[tuple[int, ...], ...]
    counts: tuple[tuple[int, ...], ...]
    others: tuple[int, ...]
    is_whole: bool


def confusion_matrix(answers: ImageAnswers, most: int) -> ConfusionMatrix:
    """Counts answers; of more than `most` labelled classes those in the most frequent confusions are taken."""
    classes = sorted(set(answers.expected_class_ids))
    is_whole = len(classes) <= most
    among = classes if is_whole else _side_by_side(_confused(answers)[:most], answers)
    return _counted(answers, [(class_id,) for class_id in among], range(len(answers.names)), is_whole=is_whole)


def grouped_matrix(answers: ImageAnswers, most: int) -> ConfusionMatrix:
    """Counts the wrong answers to all labelled classes, in at most `most` groups of neighbours, alike in size."""
    among = _side_by_side(_confused(answers), answers)
    among += sorted(set(answers.expected_class_ids).difference(among))  # never confused
    groups = min(most, len(among))
    ends = [len(among) * place // groups for place in range(groups + 1)]
    chosen = [tuple(among[start:end]) for start, end in pairwise(ends)]
    wrong = [place for place, is_right in enumerate(answers.right) if not is_right]
    return _counted(answers, chosen, wrong, is_whole=True)


def _counted(
    answers: ImageAnswers, groups: Sequence[tuple[int, ...]], images: Iterable[int], *, is_whole: bool
) -> ConfusionMatrix:
    row_of = {class_id: row for row, group in enumerate(groups) for class_id in group}
    expected, predicted = answers.expected_class_ids, answers.predicted_class_ids
    counts = Counter((row_of.get(expected[place]), row_of.get(predicted[place])) for place in images)
    rows = tuple(tuple(counts[row, column] for column in range(len(groups))) for row in range(len(groups)))
    return ConfusionMatrix(tuple(groups), rows, tuple(counts[row, None] for row in range(len(groups))), is_whole)


def _pairs(answers: ImageAnswers) -> list[tuple[int, int]]:
    """Gives the labelled classes that are taken for one another, the most frequent first, either way counted."""
    labelled = set(answers.expected_class_ids)
    both_ways = Counter(
        (min(expected, predicted), max(expected, predicted))
        for expected, predicted in zip(answers.expected_class_ids, answers.predicted_class_ids, strict=True)
        if expected != predicted and predicted in labelled
    )
    return sorted(both_ways, key=lambda pair: (-both_ways[pair], pair))


def _confused(answers: ImageAnswers) -> list[int]:
    """Gives the classes that are confused, those of the most frequent confusions first."""
    return list(dict.fromkeys(class_id for pair in _pairs(answers) for class_id in pair))


def _side_by_side(chosen: Sequence[int], answers: ImageAnswers) -> list[int]:
    """Puts classes in an order in which those taken for each other stand next to each other."""
    group_of = {class_id: [class_id] for class_id in chosen}
    for one, other in _pairs(answers):
        first, second = group_of.get(one), group_of.get(other)
        if first is None or second is None or first is second:
            continue
        # The two stand beside each other where each is at an end of its group.
        first, second = (first[::-1] if first[0] == one else first), (second[::-1] if second[-1] == other else second)
        joined = [*first, *second]
        group_of.update((class_id, joined) for class_id in joined)
    groups = {id(group): group for group in group_of.values()}
    return [class_id for group in sorted(groups.values(), key=len, reverse=True) for class_id in group]
