"""The report on a dataset as data: one JSON document whose fields keep their names and meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec
from msgspec import Struct

SCHEMA: Final = 1


class Spread(Struct, frozen=True):
    """How a number is spread over a split; 5 of 100 are below `p5` and 5 above `p95`."""

    smallest: float
    p5: float
    median: float
    p95: float
    largest: float


class SizeCount(Struct, frozen=True):
    """How many images have one size, in pixels."""

    width: int
    height: int
    images: int


class Colours(Struct, frozen=True):
    """Colours of the images that decode, every image weighing the same, in the order R, G, B.

    Args:
        images: how many were measured.
        max_side_px: larger images were shrunk to this side before.
        mean: in the 0 to 1 range, to normalise with.
        std: of all pixels, in the 0 to 1 range.
        histogram: for each channel the share of pixels in 64 equal steps from dark to light.
    """

    images: int
    max_side_px: int
    mean: Sequence[float]
    std: Sequence[float]
    histogram: Sequence[Sequence[float]]


class SplitReport(Struct, frozen=True):
    """One split. Sizes, formats and modes are those of the images that decode.

    Args:
        images: all, those that do not decode included.
        unreadable: images that do not decode.
        flat: images that are nearly of one colour.
        ignored_files: files whose names do not end like an image's.
        ignored_examples: some of them.
        size_bytes: of all images together.
        sizes: the most frequent ones.
        aspect: width ÷ height.
        formats: as Pillow calls them; "pixels" where the layout holds pixels and no files.
        modes: of the files, as Pillow calls them; all are decoded to RGB.
        colours: None when no image decodes.
    """

    name: str
    images: int
    unreadable: int
    flat: int
    ignored_files: int
    ignored_examples: Sequence[str]
    size_bytes: int
    classes: int
    images_per_class: Spread
    distinct_sizes: int
    sizes: Sequence[SizeCount]
    width: Spread | None
    height: Spread | None
    aspect: Spread | None
    image_bytes: Spread | None
    formats: Mapping[str, int]
    modes: Mapping[str, int]
    colours: Colours | None


class ClassReport(Struct, frozen=True):
    """One class: its name in the layout, its label, and its images in each split."""

    name: str
    label: str
    images: Mapping[str, int]


class ImageReference(Struct, frozen=True):
    """One image: its split, its class and its name in the split (CLASS/FILE)."""

    split: str
    class_name: str
    name: str


class DuplicateGroup(Struct, frozen=True):
    """Images that show the same.

    Args:
        kind: exact: the same bytes; near: they look the same, in another size, encoding or tint.
        leak: they are in more than one split.
        label_conflict: they are in more than one class.
    """

    kind: Literal["exact", "near"]
    leak: bool
    label_conflict: bool
    images: Sequence[ImageReference]


class UnreadableImage(Struct, frozen=True):
    """An image that cannot be used, and why."""

    split: str
    name: str
    reason: str


class Finding(Struct, frozen=True):
    """Something a user should know before training.

    Args:
        code: stable name of the kind.
        severity: error: training or its figures will be wrong (`--strict` refuses); warning: they may be.
        text: one or two sentences.
    """

    code: str
    severity: Literal["error", "warning", "note"]
    text: str


class DataReport(Struct, frozen=True):
    """The whole report."""

    schema: int
    imgcls_train: str
    dataset: str
    created: str
    seconds: float
    splits: Sequence[SplitReport]
    classes: Sequence[ClassReport]
    duplicates: Sequence[DuplicateGroup]
    unreadable: Sequence[UnreadableImage]
    findings: Sequence[Finding]

    def to_json(self) -> bytes:
        """Gives the document, indented, with a line end."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    @property
    def has_errors(self) -> bool:
        """Whether something was found that makes training or its figures wrong."""
        return any(finding.severity == "error" for finding in self.findings)
