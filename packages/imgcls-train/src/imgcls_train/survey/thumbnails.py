"""Small copies of a dataset's images that go into a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from imgcls_core.errors import ImageError
from imgcls_core.images.thumbnail import thumbnail

from imgcls_train.data.split import Split

THUMBNAIL_PX: Final = 96


class Thumbnails:
    """Makes small copies by the name of the split and of the image; reads an image when it is asked for."""

    def __init__(self, splits: Sequence[Split]) -> None:
        self._splits = {split.name: split for split in splits}
        self._places: dict[str, dict[str, int]] = {}

    def __call__(self, split: str, name: str) -> bytes | None:
        """Gives a WebP image of at most 96 px a side; None when the image cannot be read."""
        if split not in self._places:
            samples = self._splits[split].samples
            self._places[split] = {sample.name: place for place, sample in enumerate(samples)}
        try:
            return thumbnail(self._splits[split].read(self._places[split][name]), THUMBNAIL_PX)
        except (ImageError, OSError):
            return None


def spread_choice(split: Split, most_per_class: int) -> dict[str, list[str]]:
    """Chooses images of each class, evenly spread over its images.

    Returns:
        class name → names of images.
    """
    names: dict[str, list[str]] = {name: [] for name in split.class_names}
    for sample in split.samples:
        names[split.class_names[sample.class_index]].append(sample.name)
    return {
        name: [found[i * len(found) // most_per_class] for i in range(most_per_class)]
        if len(found) > most_per_class
        else found
        for name, found in names.items()
    }
