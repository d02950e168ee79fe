"""Images in tar files laid out as `SPLIT/CLASS/FILE` (or `CLASS/FILE`), read in place without unpacking."""

from __future__ import annotations

import mmap
import tarfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Final

from imgcls_train.errors import DatasetError
from imgcls_train.sample import Sample

IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})


def tar_shards(root: Path, name: str) -> list[Path]:
    """Gives the tar files of a split: `train.tar`, or `train-000.tar` and so on."""
    return sorted([*root.glob(f"{name}.tar"), *root.glob(f"{name}-*.tar")])


class TarSplit:
    """A split in tar files. The files are mapped into memory; nothing is unpacked.

    Raises:
        DatasetError: a file is not a tar file, or holds no images in class folders.
    """

    def __init__(self, name: str, shards: Sequence[Path]) -> None:
        self.name = name
        found: list[tuple[str, str, int, int, int]] = []
        self._maps: list[mmap.mmap] = []
        for shard, path in enumerate(shards):
            with path.open("rb") as file:
                self._maps.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            found += [(*row, shard) for row in _members(path)]
        found.sort()
        self.class_names: Sequence[str] = sorted({row[0] for row in found})
        if not found:
            raise DatasetError(
                f"{', '.join(map(str, shards))} holds no images in class folders; CLASS/FILE.jpg is expected inside."
            )
        self._found = found

    @cached_property
    def samples(self) -> Sequence[Sample]:
        """Every image, ordered by class and name."""
        index = {name: i for i, name in enumerate(self.class_names)}
        return [Sample(f"{row[0]}/{row[1]}", index[row[0]]) for row in self._found]

    def read(self, index: int) -> bytes:
        """Gives one image as it is encoded in the tar file."""
        _, _, start, size, shard = self._found[index]
        return self._maps[shard][start : start + size]


def _members(path: Path) -> list[tuple[str, str, int, int]]:
    """(class, file name, first byte, bytes) of each image in a tar file."""
    try:
        with tarfile.open(path, "r:") as tar:
            members = [(PurePosixPath(m.name), m.offset_data, m.size) for m in tar if m.isfile()]
    except tarfile.TarError as error:
        raise DatasetError(f"{str(path)!r} is not a plain (uncompressed) tar file: {error}.") from error
    return [
        (inside.parent.name, inside.name, start, size)
        for inside, start, size in members
        if inside.suffix.lower() in IMAGE_SUFFIXES and inside.parent.name and not inside.name.startswith(".")
    ]
