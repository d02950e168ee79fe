"""Groups images that are the same or look the same, within a split and between splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imgcls_train.survey.examination import ExaminedImage
from imgcls_train.survey.near_search import near_groups


@dataclass(frozen=True)
class DuplicateImages:
    """Images that show the same.

    Args:
        members: (place of the split, index in it), in order; at least two.
        exact: all are the same bytes; else they look the same, in another size, encoding or tint.
    """

    members: tuple[tuple[int, int], ...]
    exact: bool


def find_duplicates(splits: Sequence[Sequence[ExaminedImage]]) -> list[DuplicateImages]:
    """Finds images that occur more than once.

    Same bytes are found whatever the image shows. Images that are nearly of one colour are compared by their
    bytes alone: too little is left in them to say that two are the same.

    Args:
        splits: of each split what was found out about its images.
    """
    copies: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
    originals: list[tuple[ExaminedImage, bytes]] = []  # one of each content, those that can be compared by pixels
    for place, images in enumerate(splits):
        for image in images:
            if not image.sha256:
                continue
            if image.sha256 not in copies and image.fingerprint is not None:
                originals.append((image, image.sha256))
            copies[image.sha256].append((place, image.index))
    together = list(copies.values()) if len(originals) < 2 else _by_looks(originals, copies)
    found = [
        DuplicateImages(tuple(sorted(members)), exact=_sha256_count(members, splits) == 1)
        for members in together
        if len(members) > 1
    ]
    return sorted(found, key=lambda group: group.members)


def _by_looks(
    originals: Sequence[tuple[ExaminedImage, bytes]], copies: dict[bytes, list[tuple[int, int]]]
) -> list[list[tuple[int, int]]]:
    fingerprints = np.array([image.fingerprint for image, _ in originals], dtype=np.uint64)  # [N, 2]
    coarse = np.stack([image.coarse for image, _ in originals if image.coarse is not None])  # [N, 16, 16, 3]
    first_of = near_groups(fingerprints, coarse).tolist()
    together: dict[bytes, list[tuple[int, int]]] = dict(copies)
    for place, first in enumerate(first_of):
        if place != first:
            together[originals[first][1]] = together[originals[first][1]] + together.pop(originals[place][1])
    return list(together.values())


def _sha256_count(members: Sequence[tuple[int, int]], splits: Sequence[Sequence[ExaminedImage]]) -> int:
    return len({splits[place][index].sha256 for place, index in members})
