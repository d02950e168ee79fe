"""CIFAR-10 and CIFAR-100 as they are on disk where torchvision has put them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from imgcls_networks.weights.content import plain
from imgcls_networks.weights.inert_pickle import Foreign, InertPickleError, read_pickle
from imgcls_networks.weights.numpy_pickle import array_in
from numpy.typing import NDArray

from imgcls_train.data.split import DatasetImage
from imgcls_train.errors import DatasetError

SIDE_PX: Final = 32
_BYTES: Final = 3 * SIDE_PX * SIDE_PX


@dataclass(frozen=True)
class _CifarLayout:
    """The files of one of the two datasets.

    Source:
        torchvision.datasets.CIFAR10 and CIFAR100.
    """

    folder: str
    meta: str
    names_key: str
    labels_key: str
    files: dict[str, tuple[str, ...]]


_TEN: Final = _CifarLayout(
    "cifar-10-batches-py",
    "batches.meta",
    "label_names",
    "labels",
    {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)},
)
_HUNDRED: Final = _CifarLayout(
    "cifar-100-python", "meta", "fine_label_names", "fine_labels", {"train": ("train",), "test": ("test",)}
)
CIFAR_FOLDERS: Final = (_TEN.folder, _HUNDRED.folder)


def cifar_splits(root: Path) -> list[str]:
    """Names the splits of the CIFAR that is in a folder; none where there is none.

    Raises:
        DatasetError: both datasets are there.
    """
    found = _find(root)
    return _complete(*found) if found else []


def open_cifar(root: Path, name: str) -> CifarSplit | None:
    """Opens a split of CIFAR-10 or CIFAR-100; None where it is not there.

    Raises:
        DatasetError: both datasets are there, or a file is damaged.
    """
    found = _find(root)
    if found is None or ("test" if name == "val" else name) not in _complete(*found):
        return None
    return CifarSplit(name, *found)


def _find(root: Path) -> tuple[Path, _CifarLayout] | None:
    """Finds CIFAR's files in a folder or in the folder that torchvision makes below it."""
    found = [
        (folder, layout)
        for layout in (_TEN, _HUNDRED)
        for folder in (root, root / layout.folder)
        if (folder / layout.meta).is_file() and any((folder / file).is_file() for file in _all_files(layout))
    ]
    if len(found) > 1:
        raise DatasetError(
            f"{str(root)!r} holds both CIFAR-10 and CIFAR-100; name one of them: "
            f"{' or '.join(repr(str(folder)) for folder, _ in found)}."
        )
    return found[0] if found else None


def _all_files(layout: _CifarLayout) -> list[str]:
    return [file for files in layout.files.values() for file in files]


def _complete(folder: Path, layout: _CifarLayout) -> list[str]:
    """Names the splits whose files are all there."""
    return [name for name, files in layout.files.items() if all((folder / file).is_file() for file in files)]


class CifarSplit:
    """A split of CIFAR-10 or CIFAR-100 (fine labels), ordered by class and then as in the files.

    Args:
        name: train, or test; val is another name for test, as CIFAR has no third split.
        folder: of the files.
        layout: which of the two it is.

    Raises:
        DatasetError: a file is missing, damaged, or not in CIFAR's format.
    """

    def __init__(self, name: str, folder: Path, layout: _CifarLayout) -> None:
        self.name = name
        files = layout.files["test" if name == "val" else name]
        self.class_names: Sequence[str] = _class_names(folder / layout.meta, layout.names_key)
        batches = [_batch(folder / file, layout.labels_key, len(self.class_names)) for file in files]
        pixels = [batch[0] for batch in batches]
        self._pixels = pixels[0] if len(pixels) == 1 else np.concatenate(pixels)  # [N, 3072]
        labels = np.concatenate([batch[1] for batch in batches])
        self._order = np.argsort(labels, kind="stable").tolist()
        rows = [f"{file}-{i:05d}" for file, batch in zip(files, batches, strict=True) for i in range(len(batch[1]))]
        classes = labels.tolist()
        self.samples: Sequence[DatasetImage] = [
            DatasetImage(f"{self.class_names[classes[row]]}/{rows[row]}", classes[row]) for row in self._order
        ]

    def read(self, index: int) -> NDArray[np.uint8]:
        """Gives one image as RGB pixels, uint8 [32, 32, 3]."""
        planes = self._pixels[self._order[index]].reshape(3, SIDE_PX, SIDE_PX)
        return np.ascontiguousarray(planes.transpose(1, 2, 0))  # [3, H, W] → [H, W, 3]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = plain(read_pickle(io.BytesIO(path.read_bytes())).content, array_in)
        for value in (content, *(content.values() if isinstance(content, dict) else ())):
            if isinstance(value, Foreign):
                raise InertPickleError(f"it asks for {value.name!r:.80}, which no dataset needs; nothing was run")
        if not isinstance(content, dict):
            raise InertPickleError(f"it holds a {type(content).__name__}, where a dictionary is expected")
        return content
    except OSError as error:
        raise DatasetError(f"CIFAR's file {str(path)!r} cannot be read: {error.strerror or error}.") from error
    except InertPickleError as error:
        raise DatasetError(f"{str(path)!r} is no file of CIFAR: {error}.") from error


def _class_names(path: Path, key: str) -> list[str]:
    names = _read(path).get(key)
    if not isinstance(names, list | tuple) or not names:
        raise DatasetError(f"{str(path)!r} has no list {key!r} of class names.")
    texts = [name.decode("latin1") if isinstance(name, bytes) else str(name) for name in names]
    if len(set(texts)) < len(texts):
        raise DatasetError(f"{str(path)!r} uses a class name twice in {key!r}.")
    return texts


def _batch(path: Path, key: str, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    content = _read(path)
    pixels = content.get("data")
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (_BYTES,):
        found = f"{pixels.dtype} {list(pixels.shape)}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise DatasetError(f"{str(path)!r} has {found} as 'data'; CIFAR has uint8 [images, {_BYTES}].")
    labels = content.get(key)
    try:
        numbers = np.asarray(labels, dtype=np.int64)
    except (TypeError, ValueError, OverflowError):
        numbers = np.empty(0, dtype=np.int64)
    if numbers.shape != (len(pixels),) or not len(pixels):
        raise DatasetError(f"{str(path)!r} has {len(pixels)} images and not as many {key!r}.")
    if int(numbers.min()) < 0 or int(numbers.max()) >= classes:
        raise DatasetError(
            f"{str(path)!r} has labels from {numbers.min()} to {numbers.max()}; there are {classes} class names."
        )
    return pixels, numbers
