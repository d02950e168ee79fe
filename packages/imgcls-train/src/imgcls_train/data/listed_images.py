"""Images in a folder with a list of their classes, `SPLIT/labels.csv` (file, class_id)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imgcls_cli.labelled_files import LABELS_FILE, LabelledFilesError, read_labelled_files
from imgcls_networks.errors import RequestError
from imgcls_networks.labels import CLASSES_FILE, read_labels

from imgcls_train.data.split import DatasetImage
from imgcls_train.errors import DatasetError


def listed_splits(root: Path) -> list[str]:
    """Names the splits that are folders with a list."""
    return sorted(table.parent.name for table in root.glob(f"*/{LABELS_FILE}"))


def open_listed_images(root: Path, name: str) -> ListedSplit | None:
    """Opens a split with a list; None where there is none.

    Raises:
        DatasetError: the list cannot be read, or names classes that `classes.csv` does not have.
    """
    return ListedSplit(name, root, root / name / LABELS_FILE) if (root / name / LABELS_FILE).is_file() else None


class ListedSplit:
    """A split whose list says the class of each image; `classes.csv` beside the splits gives the names of the classes.

    Args:
        name: of the split.
        root: of the dataset.
        table: the list.

    Raises:
        DatasetError: the list cannot be read, or names classes that `classes.csv` does not have.
    """

    def __init__(self, name: str, root: Path, table: Path) -> None:
        self.name = name
        try:
            rows = [(row.class_id or 0, row.name) for row in read_labelled_files(table)]
            named = read_labels(str(root / CLASSES_FILE)) if (root / CLASSES_FILE).is_file() else ()
        except (LabelledFilesError, RequestError) as error:
            raise DatasetError(
                f"{str(table)!r} {error}." if isinstance(error, LabelledFilesError) else str(error)
            ) from error
        count = max(len(named), max(number for number, _ in rows) + 1)
        if named and count > len(named):
            raise DatasetError(
                f"{str(table)!r} has the class_id {count - 1}; {CLASSES_FILE} names {len(named)} classes, from 0."
            )
        self.class_names: Sequence[str] = [one.wnid or one.label for one in named] or [str(i) for i in range(count)]
        self.samples: Sequence[DatasetImage] = [DatasetImage(file, number) for number, file in sorted(rows)]
        self._folder = table.parent

    def read(self, index: int) -> bytes:
        """Gives one image as it is encoded in its file.

        Raises:
            OSError: the file has gone or cannot be read.
        """
        return (self._folder / self.samples[index].name).read_bytes()
