"""One labelled image of a dataset, and which files are taken for images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True)
class Sample:
    """A labelled image: its name within the split, and the index of its class in the split's `class_names`."""

    name: str
    class_index: int
