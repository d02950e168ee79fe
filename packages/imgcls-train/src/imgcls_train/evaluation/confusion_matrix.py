"""The part of a confusion matrix that can be read: the classes that are confused most, their groups side by side."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from imgcls_train.evaluation.document import ImageAnswers


@dataclass(frozen=True)
class ConfusionMatrix:
    """Counts of images by labelled and answered class.

    Args:
        class_ids: of rows and columns.
        counts: row by row; a row is what the images of one class were answered with.
        others: of each row, how many were answered with a class that has no column.
        is_whole: whether every labelled class has a row.
    """

    class_ids: tuple[int, ...]
    counts: tuple[tuple[int, ...], ...]
    others: tuple[int, ...]
    is_whole: bool


def confusion_matrix(answers: ImageAnswers, most: int) -> ConfusionMatrix:
    """Counts answers; of more than `most` labelled classes those in the most frequent confusions are taken."""
    images = Counter(answers.expected_class_ids)
    counts = Counter(zip(answers.expected_class_ids, answers.predicted_class_ids, strict=True))
    is_whole = len(images) <= most
    among = sorted(images) if is_whole else _most_confused(counts, images, most)
    rows = tuple(tuple(counts[row, column] for column in among) for row in among)
    others = tuple(images[row] - sum(line) for row, line in zip(among, rows, strict=True))
    return ConfusionMatrix(tuple(among), rows, others, is_whole)


def _most_confused(counts: Counter[tuple[int, int]], images: Counter[int], most: int) -> list[int]:
    """Gives the classes of the most frequent confusions, those taken for each other next to each other."""
    both_ways = Counter[tuple[int, int]]()
    for (expected, predicted), count in counts.items():
        if expected != predicted and predicted in images:
            both_ways[min(expected, predicted), max(expected, predicted)] += count
    pairs = sorted(both_ways, key=lambda pair: (-both_ways[pair], pair))
    chosen = list(dict.fromkeys(class_id for pair in pairs for class_id in pair))[:most]
    group_of = {class_id: [class_id] for class_id in chosen}
    for one, other in pairs:
        first, second = group_of.get(one), group_of.get(other)
        if first is None or second is None or first is second:
            continue
        # The two stand beside each other where each is at an end of its group.
        first, second = (first[::-1] if first[0] == one else first), (second[::-1] if second[-1] == other else second)
        joined = [*first, *second]
        group_of.update((class_id, joined) for class_id in joined)
    groups = {id(group): group for group in group_of.values()}
    return [class_id for group in sorted(groups.values(), key=len, reverse=True) for class_id in group]
