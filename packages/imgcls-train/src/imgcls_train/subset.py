"""A part of a split: so many images of each class."""

from __future__ import annotations

from collections import Counter

from imgcls_core.image_decode import ImageSource

from imgcls_train.dataset import Split


class Subset:
    """The first images of each class of a split.

    Args:
        split: the whole.
        images_per_class: how many are taken where there are so many.
    """

    def __init__(self, split: Split, images_per_class: int) -> None:
        self._split = split
        self.name = split.name
        self.class_names = split.class_names
        taken: Counter[int] = Counter()
        self._indices: list[int] = []
        for index, sample in enumerate(split.samples):
            if taken[sample.class_index] < images_per_class:
                taken[sample.class_index] += 1
                self._indices.append(index)
        self.samples = [split.samples[index] for index in self._indices]

    def read(self, index: int) -> ImageSource:
        """Gives one image."""
        return self._split.read(self._indices[index])
