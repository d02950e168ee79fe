"""What a user should know of a dataset before training on it, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from imgcls_train.survey.report import (
    ClassReport,
    DuplicateGroup,
    Finding,
    ImageReference,
    SplitReport,
    UnreadableImage,
)

# Fewer give a class an accuracy that one image moves by several points, or nothing to learn from.
FEW_TO_TRAIN: Final = 20
FEW_TO_JUDGE: Final = 10
# Times as many images in the largest class as in the smallest, from where plain training starves the small ones.
IMBALANCE: Final = 10.0
_EXAMPLES: Final = 3


def find(
    splits: Sequence[SplitReport],
    classes: Sequence[ClassReport],
    duplicates: Sequence[DuplicateGroup],
    unreadable: Sequence[UnreadableImage],
) -> list[Finding]:
    """Gives the findings, the gravest first."""
    found = [
        *_unreadable(unreadable),
        *_leaks(duplicates),
        *_conflicts(duplicates),
        *_classes(splits, classes),
        *_repeated(duplicates),
        *_amounts(splits, classes),
        *_files(splits),
    ]
    grave = ("error", "warning", "note")
    return sorted(found, key=lambda finding: grave.index(finding.severity))


def _unreadable(unreadable: Sequence[UnreadableImage]) -> list[Finding]:
    if not unreadable:
        return []
    first = "; ".join(f"{image.split}/{image.name}: {image.reason}" for image in unreadable[:_EXAMPLES])
    text = (
        f"{_count(len(unreadable), 'image')} cannot be decoded ({_and_more(first, len(unreadable))}). Repair or remove "
    )
    return [Finding("unreadable", "error", text + ("it." if len(unreadable) == 1 else "them."))]


def _leaks(duplicates: Sequence[DuplicateGroup]) -> list[Finding]:
    groups = [group for group in duplicates if group.leak]
    if not groups:
        return []
    text = (
        f"{_count(len(groups), 'image')} {_is(len(groups))} in more than one split ({_examples(groups)}). What is "
        "measured there is remembered, not recognised: keep each image in one split."
    )
    return [Finding("leak", "error", text)]


def _conflicts(duplicates: Sequence[DuplicateGroup]) -> list[Finding]:
    groups = [group for group in duplicates if group.label_conflict]
    if not groups:
        return []
    text = (
        f"{_count(len(groups), 'image')} {_is(len(groups))} in more than one class ({_examples(groups)}). Choose one "
        "class for each, or remove it."
    )
    return [Finding("label_conflict", "error", text)]


def _repeated(duplicates: Sequence[DuplicateGroup]) -> list[Finding]:
    groups = [group for group in duplicates if not group.leak and not group.label_conflict]
    if not groups:
        return []
    spare = sum(len(group.images) - 1 for group in groups)
    repeat = _count(spare, "image repeats another", "images repeat others")
    text = f"{repeat} of the same class and split ({_examples(groups)})."
    return [Finding("repeated", "warning", text)]


def _classes(splits: Sequence[SplitReport], classes: Sequence[ClassReport]) -> list[Finding]:
    found: list[Finding] = []
    if len(classes) == 1:
        text = f"There is one class, {classes[0].name!r}: nothing can be told apart. A split holds CLASS/FILE."
        found.append(Finding("one_class", "warning", text))
    if [split.name for split in splits] == ["train"]:
        text = "There is no split to judge on: without val (or test) nobody knows what a training has brought."
        found.append(Finding("no_validation", "warning", text))
    for split in splits:
        missing = [entry.name for entry in classes if not entry.images[split.name]]
        if missing:
            text = (
                f"{_count(len(missing), 'class', 'classes')} without images in {split.name} "
                f"({_and_more(', '.join(missing[:_EXAMPLES]), len(missing))})."
            )
            found.append(Finding("class_missing", "warning", text))
    return found


def _amounts(splits: Sequence[SplitReport], classes: Sequence[ClassReport]) -> list[Finding]:
    found: list[Finding] = []
    for split in splits:
        least = FEW_TO_TRAIN if split.name == "train" else FEW_TO_JUDGE
        few = sorted(
            (entry.images[split.name], entry.name) for entry in classes if 0 < entry.images[split.name] < least
        )
        if few:
            shown = ", ".join(f"{name} {count}" for count, name in few[:_EXAMPLES])
            text = (
                f"{_count(len(few), 'class has', 'classes have')} fewer than {least} images in {split.name} "
                f"({_and_more(shown, len(few))})."
            )
            found.append(Finding("few_images", "warning", text))
        present = [entry.images[split.name] for entry in classes if entry.images[split.name]]
        if present and max(present) >= IMBALANCE * min(present):
            text = (
                f"In {split.name} the largest class has {max(present):,} images, the smallest {min(present):,}: judge "
                "by accuracy per class, and consider more images for the small ones."
            )
            found.append(Finding("imbalance", "warning", text))
    return found


def _files(splits: Sequence[SplitReport]) -> list[Finding]:
    found: list[Finding] = []
    for split in splits:
        if split.flat:
            text = (
                f"{_count(split.flat, 'image')} of {split.name} {_is(split.flat)} nearly of one colour; only by "
                "their bytes were they compared with others."
            )
            found.append(Finding("flat", "note", text))
        if split.ignored_files:
            shown = _and_more(", ".join(split.ignored_examples), split.ignored_files)
            text = f"{_count(split.ignored_files, 'file')} of {split.name} passed over: no image by the name ({shown})."
            found.append(Finding("ignored_files", "note", text))
    return found


def _examples(groups: Sequence[DuplicateGroup]) -> str:
    shown = "; ".join(" = ".join(_name(image) for image in group.images[:_EXAMPLES]) for group in groups[:_EXAMPLES])
    return _and_more(shown, len(groups))


def _name(image: ImageReference) -> str:
    return f"{image.split}/{image.name}"


def _and_more(shown: str, count: int) -> str:
    return f"{shown}; …" if count > _EXAMPLES else shown


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
