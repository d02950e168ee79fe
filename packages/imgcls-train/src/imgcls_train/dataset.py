"""Labelled images on disk, whatever their layout: what a split is, and how one is opened."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from imgcls_convert.labels import read_labels
from imgcls_core.artifact import ClassInfo
from imgcls_core.image_decode import ImageSource

from imgcls_train.errors import DatasetError
from imgcls_train.sample import Sample
from imgcls_train.tar_shards import TarSplit, tar_shards


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
    def samples(self) -> Sequence[Sample]:
        """Every image, ordered by class and name, the same on every machine."""
        ...

    def read(self, index: int) -> ImageSource:
        """Gives one image: encoded bytes, or RGB pixels uint8 [H, W, 3] where the layout holds pixels."""
        ...


def open_split(root: Path, name: str) -> Split:
    """Opens one part of a dataset.

    Args:
        root: the dataset's folder.
        name: train, val or test.

    Raises:
        DatasetError: nothing there, or no layout that is known.
    """
    if not root.is_dir():
        raise DatasetError(f"There is no dataset at {str(root)!r}; name a folder that holds train and val.")
    if shards := tar_shards(root, name):
        return TarSplit(name, shards)
    raise DatasetError(
        f"{str(root)!r} has no {name!r} images: neither {name}.tar (or {name}-*.tar) with CLASS/FILE inside is there."
    )


def read_classes(root: Path, split: Split) -> tuple[ClassInfo, ...]:
    """Gives the classes of a dataset in order of the class index.

    Their labels come from `classes.csv` (columns class_id, label and, where folders are named by it, wnid) beside
    the images; without it the folder names are the labels.

    Raises:
        DatasetError: `classes.csv` names other classes than the folders.
    """
    path = root / "classes.csv"
    if not path.is_file():
        return tuple(ClassInfo(i, name) for i, name in enumerate(split.class_names))
    listed = read_labels(str(path))
    names = list(split.class_names)
    if sorted(entry.wnid or entry.label for entry in listed) != sorted(names):
        raise DatasetError(
            f"{str(path)!r} lists {len(listed)} classes and the {split.name!r} images have {len(names)}, and their "
            "names differ. The column wnid (or label) must hold the folder names."
        )
    by_folder = {entry.wnid or entry.label: entry for entry in listed}
    return tuple(ClassInfo(i, by_folder[name].label, by_folder[name].wnid) for i, name in enumerate(names))


def split_sha256(split: Split) -> str:
    """Gives a hash over the names, classes and contents of a split: two evaluations compare only on the same one."""
    digest = hashlib.sha256()
    for index, sample in enumerate(split.samples):
        content = split.read(index)
        raw = content if isinstance(content, bytes) else bytes(memoryview(content))  # pyright: ignore[reportArgumentType]
        digest.update(f"{sample.name}\0{split.class_names[sample.class_index]}\0".encode())
        digest.update(hashlib.sha256(raw).digest())
    return digest.hexdigest()
