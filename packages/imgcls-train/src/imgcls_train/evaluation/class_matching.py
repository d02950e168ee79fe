"""Which class of a model each class of a dataset is: by WordNet id, else by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from imgcls_core.artifact import ClassInfo

from imgcls_train.errors import DatasetError

_SHOWN: Final = 8


def match_classes(classes: Sequence[ClassInfo], folders: Sequence[str], model: Sequence[ClassInfo]) -> list[int]:
    """Finds the model's class for each class of a dataset.

    A WordNet id counts before a name, and `classes.csv` before the name of the folder. Names are compared without
    regard to case, and `_` is a space.

    Args:
        classes: of the dataset, in order of its class index.
        folders: the names that the layout has for them.
        model: the model's classes.

    Returns:
        The model's class id for each class of the dataset.

    Raises:
        DatasetError: the model does not know a class, or two classes of the dataset are one to it.
    """
    by_wnid = {entry.wnid: entry.id for entry in model if entry.wnid}
    by_label = {_plain(entry.label): entry.id for entry in model}
    found = [_find(entry, folder, by_wnid, by_label) for entry, folder in zip(classes, folders, strict=True)]
    if unknown := [entry.label for entry, own in zip(classes, found, strict=True) if own is None]:
        some = ", ".join(map(repr, unknown[:_SHOWN])) + (", …" if len(unknown) > _SHOWN else "")
        raise DatasetError(
            f"The model does not know {len(unknown)} of the dataset's {len(classes)} classes: {some}. It has "
            f"{len(model)}, such as {', '.join(repr(entry.label) for entry in model[:3])}; folders are matched by "
            "WordNet id, then by name, and `classes.csv` beside the images can give both."
        )
    matched = [own for own in found if own is not None]
    owner: dict[int, ClassInfo] = {}
    for entry, own in zip(classes, matched, strict=True):
        if own in owner:
            raise DatasetError(
                f"The dataset's classes {owner[own].label!r} and {entry.label!r} are both the model's "
                f"{model[own].label!r}; give them WordNet ids in `classes.csv`."
            )
        owner[own] = entry
    return matched


def _find(entry: ClassInfo, folder: str, by_wnid: Mapping[str, int], by_label: Mapping[str, int]) -> int | None:
    for wnid in (entry.wnid, folder):
        if wnid and wnid in by_wnid:
            return by_wnid[wnid]
    for label in (entry.label, folder):
        if _plain(label) in by_label:
            return by_label[_plain(label)]
    return None


def _plain(label: str) -> str:
    return " ".join(label.replace("_", " ").casefold().split())
