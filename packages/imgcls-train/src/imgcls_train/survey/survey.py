"""Surveys a dataset: opens its splits, looks at every image, and puts what was found into one report."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
from imgcls_cli.progress import Progress

from imgcls_train.data.dataset import available_splits, open_split, read_classes
from imgcls_train.data.split import Split
from imgcls_train.errors import DatasetError
from imgcls_train.survey.duplicates import DuplicateImages, find_duplicates
from imgcls_train.survey.examination import COLOUR_PX, ColourSum, ExaminedImage, examine, readable
from imgcls_train.survey.findings import find
from imgcls_train.survey.report import (
    SCHEMA,
    ClassReport,
    Colours,
    DataReport,
    DuplicateGroup,
    ImageReference,
    SizeCount,
    SplitReport,
    Spread,
    UnreadableImage,
)

_USUAL: Final = ("train", "val", "valid", "validation", "test")
_SIZES: Final = 12  # most frequent ones that are listed
_IGNORED: Final = 3  # files that are named
_STEPS: Final = 64  # of a colour's histogram


def open_splits(root: Path, names: Sequence[str] | None) -> list[Split]:
    """Opens the splits that were asked for; None takes those of the usual names that are there.

    Raises:
        DatasetError: one is missing, or the folder holds none.
    """
    if names is None:
        names = [name for name in available_splits(root) if name in _USUAL]
    return [open_split(root, name) for name in dict.fromkeys(names or ["train"])]


def survey(root: Path, splits: Sequence[Split], progress: Progress) -> DataReport:
    """Looks at every image of the splits.

    Raises:
        DatasetError: no image decodes, or the classes do not fit `classes.csv`.
    """
    started = time.perf_counter()
    labels = {
        name: entry.label for name, entry in zip(splits[0].class_names, read_classes(root, splits[0]), strict=True)
    }
    examined = [examine(split, progress) for split in splits]
    unreadable = [
        UnreadableImage(split.name, split.samples[image.index].name, image.problem)
        for split, (images, _) in zip(splits, examined, strict=True)
        for image in images
        if image.problem is not None
    ]
    if len(unreadable) == sum(len(images) for images, _ in examined):
        shown = unreadable[0]
        raise DatasetError(
            f"None of the {len(unreadable)} images of {str(root)!r} can be decoded; {shown.name}: {shown.reason}."
        )
    progress.step("Looking for duplicates")
    groups = find_duplicates([images for images, _ in examined])
    classes = _classes(splits, labels)
    reports = [_split_report(split, *found, classes) for split, found in zip(splits, examined, strict=True)]
    duplicates = [_duplicate_group(group, splits) for group in groups]
    return DataReport(
        schema=SCHEMA,
        imgcls_train=version("imgcls-train"),
        dataset=str(root),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - started, 1),
        splits=reports,
        classes=classes,
        duplicates=duplicates,
        unreadable=unreadable,
        findings=find(reports, classes, duplicates, unreadable),
    )


def _classes(splits: Sequence[Split], labels: dict[str, str]) -> list[ClassReport]:
    """The classes of the first split in its order, then those that only others have."""
    names = list(dict.fromkeys(name for split in splits for name in split.class_names))
    counts = {
        split.name: Counter(split.class_names[sample.class_index] for sample in split.samples) for split in splits
    }
    return [
        ClassReport(name, labels.get(name, name), {split: found[name] for split, found in counts.items()})
        for name in names
    ]


def _split_report(
    split: Split, images: Sequence[ExaminedImage], colours: ColourSum, classes: Sequence[ClassReport]
) -> SplitReport:
    good = list(readable(images))
    sizes = Counter((image.width, image.height) for image in good)
    counts = [entry.images[split.name] for entry in classes if entry.images[split.name]]
    ignored: Sequence[str] = getattr(split, "ignored", ())
    return SplitReport(
        name=split.name,
        images=len(images),
        unreadable=len(images) - len(good),
        flat=sum(image.fingerprint is None for image in good),
        ignored_files=len(ignored),
        ignored_examples=list(ignored[:_IGNORED]),
        size_bytes=sum(image.size_bytes for image in images),
        classes=len(counts),
        images_per_class=_spread(counts) or Spread(0, 0, 0, 0, 0),
        distinct_sizes=len(sizes),
        sizes=[SizeCount(*size, images) for size, images in sizes.most_common(_SIZES)],
        width=_spread(image.width for image in good),
        height=_spread(image.height for image in good),
        aspect=_spread(image.width / image.height for image in good),
        image_bytes=_spread(image.size_bytes for image in good),
        formats=dict(Counter(image.format for image in good).most_common()),
        modes=dict(Counter(image.mode for image in good).most_common()),
        colours=_colours(colours) if colours.images else None,
    )


def _spread(numbers: Iterable[float]) -> Spread | None:
    values = np.fromiter(numbers, dtype=np.float64)
    if not len(values):
        return None
    return Spread(*(round(float(value), 3) for value in np.quantile(values, (0, 0.05, 0.5, 0.95, 1))))


def _colours(colours: ColourSum) -> Colours:
    mean, std = colours.mean_and_std()
    steps = colours.shares.reshape(3, _STEPS, -1).sum(axis=2) / colours.images  # [R G B, step]
    return Colours(
        colours.images,
        COLOUR_PX,
        [round(value, 4) for value in mean],
        [round(value, 4) for value in std],
        steps.round(5).tolist(),
    )


def _duplicate_group(group: DuplicateImages, splits: Sequence[Split]) -> DuplicateGroup:
    images = [_reference(splits[place], index) for place, index in group.members]
    return DuplicateGroup(
        kind="exact" if group.exact else "near",
        leak=len({image.split for image in images}) > 1,
        label_conflict=len({image.class_name for image in images}) > 1,
        images=images,
    )


def _reference(split: Split, index: int) -> ImageReference:
    sample = split.samples[index]
    return ImageReference(split.name, split.class_names[sample.class_index], sample.name)
