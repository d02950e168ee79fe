"""Images from a folder or a CSV file, with the class that a user gave them where there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imgcls_cli.labelled_files import LABELS_FILE, LabelledFilesError, read_labelled_files
from imgcls_networks.errors import RequestError

IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"})


@dataclass(frozen=True)
class LabelledImage:
    """An image file; `name` is what reports call it, `class_id` None where nobody labelled it."""

    path: Path
    name: str
    class_id: int | None = None

    def load(self) -> LoadedImage:
        """Reads the bytes."""
        return LoadedImage(self.name, self.path.read_bytes(), self.class_id)


@dataclass(frozen=True)
class LoadedImage:
    """One image to compare on.

    Args:
        name: what reports call it.
        encoded: as it was found.
        class_id: the user's label where there is one.
        generated: drawn by the converter, for want of photos.
    """

    name: str
    encoded: bytes
    class_id: int | None = None
    generated: bool = False


@dataclass(frozen=True)
class GivenImages:
    """The images of one conversion, as the user named them.

    Args:
        golden: from `--golden`; None generates images.
        verify: from `--verify-images`.
        calibrate: from `--calibrate`; None calibrates on the golden images.
    """

    golden: Sequence[LabelledImage] | None
    verify: Sequence[LabelledImage]
    calibrate: Sequence[LabelledImage] | None


def read_images(source: Path, *, option: str) -> list[LabelledImage]:
    """Lists images.

    Args:
        source: a CSV file with the columns file (relative to it) and class_id, or a folder. A folder is searched
            with its subfolders; a `labels.csv` in it gives the class ids.
        option: the option that named it, for the error text.

    Returns:
        At least one image, in the order of the CSV file or of the names.

    Raises:
        RequestError: nothing there, a wrong column or class id, a file that is missing.
    """
    if source.is_dir():
        table = source / LABELS_FILE
        known = {image.path.resolve(): image.class_id for image in _from_csv(table, option)} if table.is_file() else {}
        images = _from_folder(source, known)
    elif source.is_file():
        images = _from_csv(source, option)
    else:
        raise RequestError(f"`{option} {source}`: there is no such file or folder.")
    if not images:
        allowed = ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
        raise RequestError(f"`{option} {source}` holds no images ({allowed}).")
    return images


def _from_folder(folder: Path, class_ids: Mapping[Path, int | None]) -> list[LabelledImage]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    return [LabelledImage(path, path.relative_to(folder).as_posix(), class_ids.get(path.resolve())) for path in paths]


def _from_csv(table: Path, option: str) -> list[LabelledImage]:
    try:
        return [LabelledImage(row.path, row.name, row.class_id) for row in read_labelled_files(table, unlabelled=True)]
    except LabelledFilesError as error:
        raise RequestError(f"`{option} {table}` {error}.") from error
