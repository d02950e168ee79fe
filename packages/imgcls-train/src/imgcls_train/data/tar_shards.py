"""Images in tar files laid out as `SPLIT/CLASS/**/FILE` (or `CLASS/**/FILE`), read in place without unpacking."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from posixpath import dirname, normpath
from typing import Final

from imgcls_train.data.split import IMAGE_SUFFIXES, DatasetImage
from imgcls_train.errors import DatasetError

COMPRESSED_SUFFIXES: Final = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
_SHARD: Final = re.compile(r"(-\d+)?\.tar$")
_MOST_LINKS: Final = 8  # that lead from one to the next


def tar_shard_splits(root: Path) -> set[str]:
    """Names the splits in tar files."""
    return {_SHARD.sub("", path.name) for path in root.glob("*.tar") if path.is_file()}


def open_tar_shards(root: Path, name: str) -> TarSplit | None:
    """Opens a split in tar files, `train.tar`, or `train-000.tar` and so on; None where there are none.

    Raises:
        DatasetError: a file is not a plain tar file or is damaged, or none holds images in class folders.
    """
    found = [path for path in [*root.glob(f"{name}.tar"), *root.glob(f"{name}-*.tar")] if path.is_file()]
    return TarSplit(name, sorted(found)) if found else None


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """Where an image lies. The order of the fields is the order of the samples."""

    class_name: str
    file: str
    shard: int
    start: int
    size: int


class TarSplit:
    """A split in tar files. Nothing is unpacked: each read opens its file, so threads and processes share freely.

    Args:
        name: of the split; a folder of that name (or of the tar file's) around the classes is left out.
        shards: plain tar files.

    Raises:
        DatasetError: a file is not a plain tar file or is damaged, or none holds images in class folders.
    """

    def __init__(self, name: str, shards: Sequence[Path]) -> None:
        self.name = name
        self._shards = list(shards)
        found: list[_Place] = []
        ignored: list[str] = []
        for shard, path in enumerate(self._shards):
            files = _files(path)
            for inside, (start, size) in _below_the_split(files, {name, path.name.removesuffix(".tar")}):
                if len(inside.parts) > 1 and inside.suffix.lower() in IMAGE_SUFFIXES:
                    found.append(_Place(inside.parts[0], "/".join(inside.parts[1:]), shard, start, size))
                else:
                    ignored.append(f"{path.name}: {inside}")
        if not found:
            raise DatasetError(
                f"{', '.join(map(str, shards))} holds no images in class folders; CLASS/FILE.jpg is expected inside."
            )
        self._found = sorted(found)
        self.ignored: Sequence[str] = sorted(ignored)
        self.class_names: Sequence[str] = sorted({place.class_name for place in found})
        index = {name: i for i, name in enumerate(self.class_names)}
        self.samples: Sequence[DatasetImage] = [
            DatasetImage(f"{at.class_name}/{at.file}", index[at.class_name]) for at in self._found
        ]

    def read(self, index: int) -> bytes:
        """Gives one image as it is encoded in the tar file.

        Raises:
            OSError: the tar file has gone, or was cut short since it was opened.
        """
        at = self._found[index]
        with self._shards[at.shard].open("rb") as file:
            file.seek(at.start)
            content = file.read(at.size)
        if len(content) < at.size:
            raise OSError(f"{str(self._shards[at.shard])!r} ends {at.size - len(content)} bytes early")
        return content


def _below_the_split(
    files: Mapping[str, tuple[int, int]], names: set[str]
) -> Iterator[tuple[PurePosixPath, tuple[int, int]]]:
    """Leaves out the folders that all images share, down to the one that is named after the split."""
    paths = {PurePosixPath(name): place for name, place in files.items()}
    images = [path.parts for path in paths if path.suffix.lower() in IMAGE_SUFFIXES]
    shared = 0
    for depth, folder in enumerate(zip(*images, strict=False)):
        if len(set(folder)) > 1:
            break
        # What follows must still have a class folder: a class may itself be called "train".
        if folder[0] in names and all(len(parts) > depth + 2 for parts in images):
            shared = depth + 1
    prefix = images[0][:shared] if images else ()
    for path, place in paths.items():
        if path.parts[:shared] == prefix:
            yield PurePosixPath(*path.parts[shared:]), place


def _files(path: Path) -> dict[str, tuple[int, int]]:
    """(first byte, bytes) of each file in a tar file by its name; of two with one name the later counts, as in tar."""
    members: dict[str, tarfile.TarInfo] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            members.update((normpath(member.name), member) for member in tar)
            end = tar.offset
    except tarfile.TarError as error:
        raise DatasetError(f"{str(path)!r} cannot be read as a plain (uncompressed) tar file: {error}.") from error
    except OSError as error:
        raise DatasetError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
    with path.open("rb") as file:
        file.seek(end)
        # tarfile takes a damaged header for the end, and would drop all that follows without a word.
        if any(file.read(tarfile.BLOCKSIZE)):
            raise DatasetError(f"{str(path)!r} is damaged at byte {end}, after {len(members)} entries. Copy it again.")
    return {
        name: (target.offset_data, target.size)
        for name, member in members.items()
        if not PurePosixPath(name).name.startswith(".") and (target := _target(name, member, members)) is not None
    }


def _target(name: str, member: tarfile.TarInfo, members: Mapping[str, tarfile.TarInfo]) -> tarfile.TarInfo | None:
    """Follows links inside the tar file; None where there is no file at the end."""
    for _ in range(_MOST_LINKS):
        if member.isfile():
            return None if member.issparse() else member
        if member.islnk():
            name = normpath(member.linkname)
        elif member.issym():
            name = normpath(f"{dirname(name)}/{member.linkname}")
        else:
            return None
        if name not in members:
            return None
        member = members[name]
    return None
