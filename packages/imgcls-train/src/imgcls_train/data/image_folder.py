"""Images in folders laid out as `SPLIT/CLASS/**/FILE`, as torchvision's ImageFolder takes them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from imgcls_train.data.split import IMAGE_SUFFIXES, DatasetImage
from imgcls_train.errors import DatasetError


def class_folders(folder: Path) -> list[str]:
    """Names the folders of the classes, sorted; hidden ones are not classes."""
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def image_folder_splits(root: Path) -> list[str]:
    """Names the splits that are folders of class folders."""
    return [folder for folder in class_folders(root) if class_folders(root / folder)]


def open_image_folder(root: Path, name: str) -> ImageFolderSplit | None:
    """Opens a split in folders; None where there are no class folders.

    Raises:
        DatasetError: no images in class folders, or a folder that cannot be read.
    """
    return ImageFolderSplit(name, root / name) if class_folders(root / name) else None


class ImageFolderSplit:
    """A split in folders, one for each class; links are followed, hidden files are not images.

    A folder without images is a class without images: its index stays reserved, as the other splits may have some.

    Args:
        name: of the split.
        folder: holds the class folders.

    Raises:
        DatasetError: no images in class folders, or a folder that cannot be read.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.class_names: Sequence[str] = class_folders(folder)
        self.ignored: Sequence[str] = []
        self._folder = folder
        found: list[DatasetImage] = []
        ignored: list[str] = []
        for index, class_name in enumerate(self.class_names):
            for file in sorted(_files(folder / class_name)):
                inside = f"{class_name}/{file}"
                if Path(file).suffix.lower() in IMAGE_SUFFIXES:
                    found.append(DatasetImage(inside, index))
                else:
                    ignored.append(inside)
        if not found:
            suffixes = ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
            raise DatasetError(
                f"{str(folder)!r} has no images in its {len(self.class_names)} folders; CLASS/FILE is expected inside, "
                f"the files ending in {suffixes}."
            )
        self.samples: Sequence[DatasetImage] = found
        self.ignored = ignored

    def read(self, index: int) -> bytes:
        """Gives one image as it is encoded in its file.

        Raises:
            OSError: the file has gone or cannot be read.
        """
        return (self._folder / self.samples[index].name).read_bytes()


def _files(top: Path) -> Iterator[str]:
    """Paths of the files below a folder, relative to it, each real folder once."""
    seen: set[tuple[int, int]] = set()
    for folder, below, files in os.walk(top, followlinks=True, onerror=_unreadable):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:  # a link that leads back up
            below.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in files:
            path = Path(folder, name)
            if not name.startswith(".") and path.is_file():
                yield path.relative_to(top).as_posix()


def _unreadable(error: OSError) -> None:
    raise DatasetError(f"The folder {str(error.filename)!r} cannot be read: {error.strerror}.") from error
