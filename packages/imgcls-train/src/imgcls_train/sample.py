"""One labelled image of a dataset, and which files are taken for images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from imgcls_train.errors import DatasetError

IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True)
class Sample:
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
