"""Labelled images on disk, whatever their layout: which splits there are, and how one is opened."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from imgcls_core.artifact import ClassInfo
from imgcls_networks.labels import CLASSES_FILE, read_labels

from imgcls_train.data.cifar import CIFAR_FOLDERS, cifar_splits, open_cifar
from imgcls_train.data.image_folder import class_folders, image_folder_splits, open_image_folder
from imgcls_train.data.listed_images import listed_splits, open_listed_images
from imgcls_train.data.split import Split
from imgcls_train.data.tar_shards import COMPRESSED_SUFFIXES, open_tar_shards, tar_shard_splits
from imgcls_train.errors import DatasetError

_USUAL: Final = ("train", "val", "valid", "validation", "test")
_NAME: Final = re.compile(r"\w[\w .-]*")


def open_split(root: Path, name: str) -> Split:
    """Opens one part of a dataset, in whichever of the known layouts it is.

    Looked for, in this order: `NAME/labels.csv` (file, class_id), folders `NAME/CLASS/**/FILE`, tar files `NAME.tar` or
    `NAME-*.tar` with the same inside, CIFAR-10 or CIFAR-100 as torchvision stores them (in `root` or in their own
    folder below it), where val means test.

    Args:
        root: the dataset's folder.
        name: train, val or test.

    Raises:
        DatasetError: nothing there, or no layout that is known; the text says what is there instead.
    """
    if not root.is_dir():
        found = "is a file" if root.exists() else "is not there"
        raise DatasetError(f"The dataset {str(root)!r} {found}; name a folder that holds train and val.")
    if not _NAME.fullmatch(name):
        raise DatasetError(f"{name!r} is no name of a split; it is the name of a folder, such as train, val or test.")
    split = open_listed_images(root, name) or open_image_folder(root, name)
    split = split or open_tar_shards(root, name) or open_cifar(root, name)
    if split is None:
        raise DatasetError(_missing(root, name))
    return split


def available_splits(root: Path) -> list[str]:
    """Names the parts of a dataset that can be opened: training images first, then validation, test and others.

    CIFAR's test images are named test; they open as val too.
    """
    if not root.is_dir():
        return []
    names = {*listed_splits(root), *image_folder_splits(root), *tar_shard_splits(root), *cifar_splits(root)} - set(
        CIFAR_FOLDERS
    )
    return sorted(names, key=lambda name: (_USUAL.index(name) if name in _USUAL else len(_USUAL), name))


def _missing(root: Path, name: str) -> str:
    """Says what is there instead of a split."""
    if (root / name).is_dir():
        return f"{str(root / name)!r} holds no folders; one for each class is expected: {name}/CLASS/FILE."
    compressed = [path.name for path in sorted(root.iterdir()) if path.name.lower().endswith(COMPRESSED_SUFFIXES)]
    packed = [file for file in compressed if file.startswith((name, "cifar"))]
    there = available_splits(root)
    folders = class_folders(root)
    if packed:
        found = f"{packed[0]} is compressed, and images are read in place: unpack it first"
    elif there:
        found = f"there is {', '.join(there)}"
    elif folders:
        shown = ", ".join(folders[:3]) + (", …" if len(folders) > 3 else "")
        found = f"its folders {shown} look like classes: put them into a folder {name!r}"
    else:
        found = "nothing in it looks like a dataset"
    return (
        f"{str(root)!r} has no {name!r} images; {found}. Looked for: the folder {name}/CLASS/FILE, "
        f"{name}/labels.csv (file, class_id), {name}.tar or {name}-*.tar with CLASS/FILE inside, and torchvision's "
        f"{' or '.join(CIFAR_FOLDERS)}."
    )


def read_classes(root: Path, split: Split) -> tuple[ClassInfo, ...]:
    """Gives the classes of a dataset in order of the class index.

    Their labels come from `classes.csv` (columns class_id, label and, where folders are named by it, wnid) beside
    the images; without it the folder names are the labels.

    Raises:
        DatasetError: `classes.csv` names other classes than the folders.
    """
    path = root / CLASSES_FILE
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
