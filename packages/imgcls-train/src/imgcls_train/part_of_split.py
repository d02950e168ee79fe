"""Some of a split's images, evenly spread over it, for a quick look."""

from __future__ import annotations

from collections.abc import Sequence

from imgcls_core.image_decode import ImageSource

from imgcls_train.dataset import Split
from imgcls_train.sample import Sample


class PartOfSplit:
    """At most `limit` images of a split, in its order. It has a hash of its own, so nothing mistakes it for the whole.

    Args:
        split: the whole.
        limit: most images, at least 1.
    """

    def __init__(self, split: Split, limit: int) -> None:
        self._split = split
        count = len(split.samples)
        self._places = [place * count // limit for place in range(limit)] if limit < count else list(range(count))
        self.name = split.name if limit >= count else f"{limit:,} images of {split.name}"
        self.class_names: Sequence[str] = split.class_names
        self.samples: Sequence[Sample] = [split.samples[place] for place in self._places]

    def read(self, index: int) -> ImageSource:
        """Gives one image, as the split does."""
        return self._split.read(self._places[index])
