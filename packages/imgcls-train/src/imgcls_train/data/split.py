"""A split: the labelled images of one part of a dataset, all of them or a view of some."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from imgcls_core.images.decode import ImageSource

from imgcls_train.errors import DatasetError

IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True)
class DatasetImage:
    """A labelled image: its name within the split, and the index of its class in the split's `class_names`.

    Raises:
        DatasetError: the name is no text, so that no report and no label list could hold it.
    """

    name: str
    class_index: int

    def __post_init__(self) -> None:
        # What is not UTF-8 in a file system or a tar file comes as lone surrogates.
        if not self.name.isascii() and any("\ud800" <= sign <= "\udfff" for sign in self.name):
            raise DatasetError(f"The name of the image {self.name!a} is not UTF-8 text. Rename it.")


class Split(Protocol):
    """One part of a dataset, such as its training images."""

    @property
    def name(self) -> str:
        """What the part is called: train, val, test."""
        ...

    @property
    def class_names(self) -> Sequence[str]:
        """Names of the classes as the layout has them (folder names), in order of the class index."""
        ...

    @property
    def samples(self) -> Sequence[DatasetImage]:
        """Every image, ordered by class and name, the same on every machine."""
        ...

    def read(self, index: int) -> ImageSource:
        """Gives one image: encoded bytes, or RGB pixels uint8 [H, W, 3] where the layout holds pixels."""
        ...


class SplitView:
    """Some images of a split, in the order of their indices. Its hash differs from that of the whole.

    Args:
        split: the whole.
        indices: places of the images in it.
        name: what the view is called; None keeps the split's name.
    """

    def __init__(self, split: Split, indices: Sequence[int], name: str | None = None) -> None:
        self._split, self._indices = split, indices
        self.name = split.name if name is None else name
        self.class_names: Sequence[str] = split.class_names
        self.samples: Sequence[DatasetImage] = [split.samples[index] for index in indices]

    def read(self, index: int) -> ImageSource:
        """Gives one image, as the split does."""
        return self._split.read(self._indices[index])


def first_of_each_class(split: Split, images_per_class: int) -> SplitView:
    """Takes the first images of each class, or all of a class that has no more."""
    taken: Counter[int] = Counter()
    indices: list[int] = []
    for index, sample in enumerate(split.samples):
        if taken[sample.class_index] < images_per_class:
            taken[sample.class_index] += 1
            indices.append(index)
    return SplitView(split, indices)


def evenly_spread(split: Split, limit: int) -> Split:
    """Takes at most `limit` images, evenly spread over the split, for a quick look; its name says so."""
    count = len(split.samples)
    if limit >= count:
        return split
    return SplitView(split, [place * count // limit for place in range(limit)], f"{limit:,} images of {split.name}")


def split_sha256(split: Split) -> str:
    """Gives a hash over the names, classes and contents of a split: two evaluations compare only on the same one."""
    digest = hashlib.sha256()
    for index, sample in enumerate(split.samples):
        digest.update(f"{sample.name}\0{split.class_names[sample.class_index]}\0".encode())
        digest.update(hashlib.sha256(content_bytes(split.read(index))).digest())
    return digest.hexdigest()


def content_bytes(content: ImageSource) -> bytes:
    """Gives what a split's `read` gave as bytes: the encoded image, or the pixels row by row."""
    return content if isinstance(content, bytes) else bytes(memoryview(content))  # pyright: ignore[reportArgumentType]
