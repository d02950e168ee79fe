"""Names of the classes, from a list that is known by name or from a user's file."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Final

from imgcls_cli.progress import Progress
from imgcls_core.artifact import ClassInfo

from imgcls_networks.errors import RequestError
from imgcls_networks.label_forms import read_forms

# Standard order of ILSVRC 2012: sorted WordNet ids (tench 0, common newt 26, axolotl 29, mud turtle 35). Labels as
# torchvision spells them.
KNOWN_LISTS: Final = {"imagenet1k": "imagenet1k.csv"}
CLASSES_FILE: Final = "classes.csv"  # beside the images of a dataset


def read_labels(name_or_file: str) -> tuple[ClassInfo, ...]:
    """Reads class names.

    Args:
        name_or_file: `imagenet1k`, or a file: a name a line (.txt), numbered or not, `class_id,label[,wnid]` (.csv), or
            JSON or YAML: a list of names, an object from id to name or from name to id (torchvision's class_to_idx),
            or a document that has one of them, as transformers' config.json.

    Raises:
        RequestError: an unknown list or form, an unreadable file, gaps in the ids, empty or repeated names.
    """
    if name_or_file in KNOWN_LISTS:
        text = (resources.files("imgcls_networks") / "data" / KNOWN_LISTS[name_or_file]).read_text(encoding="utf-8")
        return _checked(read_forms(text, ".csv", name_or_file), name_or_file)
    path = Path(name_or_file)
    if not path.is_file():
        raise RequestError(
            f"There are no labels {name_or_file!r}: it is neither a known list ({', '.join(KNOWN_LISTS)}) nor a file. "
            "A text file with the name of a class in each line, in the order of the outputs, is one."
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(
            f"The label file {name_or_file!r} cannot be read as UTF-8 text: {error}. "
            "A text file with the name of a class in each line, in the order of the outputs, is one."
        ) from error
    return _checked(read_forms(text, path.suffix.lower(), name_or_file), name_or_file)


def listed_labels(names: Iterable[str]) -> tuple[ClassInfo, ...]:
    """Gives classes their names, in order.

    Raises:
        RequestError: empty or repeated names.
    """
    return _checked({i: ClassInfo(i, name) for i, name in enumerate(names)}, "given")


def fit_labels(
    given: tuple[ClassInfo, ...] | None, outputs: int, *, single_output: bool, named: str | None, progress: Progress
) -> tuple[ClassInfo, ...]:
    """Names the outputs of a network.

    Args:
        given: the user's names, or those published with the weights; None gives `class_0`, `class_1`, …
        outputs: number of classes.
        single_output: the two classes come from one number, so that one name is enough.
        named: what the user named them with; None when they were published.
        progress: told when there are no names.

    Raises:
        RequestError: another number of names than outputs.
    """
    if given is None:
        progress.note(
            f"no labels were given: the {outputs} classes are called class_0, class_1, …; say `--labels FILE`"
        )
        return tuple(ClassInfo(i, f"class_{i}") for i in range(outputs))
    for entry in given:
        _check_printable(entry, "The model's own labels")
    if len(given) == 1 and single_output:
        return ClassInfo(0, f"not {given[0].label}"), ClassInfo(1, given[0].label, given[0].wnid)
    if len(given) != outputs:
        what = f"The labels {named!r} name" if named else "The published labels name"
        raise RequestError(
            f"{what} {len(given)} classes and the network has {outputs} outputs; give `--labels` that fit."
        )
    return given


def _check_printable(entry: ClassInfo, whose: str) -> None:
    """Raises if a name could steer a terminal or hide what follows it.

    Raises:
        RequestError: it holds a control character.
    """
    for sign in f"{entry.label}{entry.wnid or ''}":
        # Cc: escapes and newlines; Cf: what turns the direction of writing, or cannot be seen. Joiners are script.
        if unicodedata.category(sign) in {"Cc", "Cf", "Zl", "Zp"} and sign not in "\u200c\u200d":
            raise RequestError(
                f"{whose} have the control character U+{ord(sign):04X} in the name of class {entry.id}; take it out."
            )


def _checked(classes: dict[int, ClassInfo], source: str) -> tuple[ClassInfo, ...]:
    if sorted(classes) != list(range(len(classes))) or not classes:
        raise RequestError(
            f"The labels {source!r} must number the classes 0, 1, 2, … without gaps; found {len(classes)} classes, "
            f"from {min(classes, default=0)} to {max(classes, default=0)}."
        )
    ordered = tuple(classes[i] for i in range(len(classes)))
    if empty := [entry.id for entry in ordered if not entry.label]:
        raise RequestError(f"The labels {source!r} have no name for class {empty[0]}.")
    for entry in ordered:
        _check_printable(entry, f"The labels {source!r}")
    counts = Counter(entry.label for entry in ordered)
    # ImageNet has two cranes and two maillots; their WordNet ids keep them apart.
    ordered = tuple(
        ClassInfo(entry.id, f"{entry.label} ({entry.wnid})", entry.wnid)
        if counts[entry.label] > 1 and entry.wnid
        else entry
        for entry in ordered
    )
    counts = Counter(entry.label for entry in ordered)
    if twice := [label for label, count in counts.items() if count > 1]:
        raise RequestError(f"The labels {source!r} use the name {twice[0]!r} for {counts[twice[0]]} classes.")
    return ordered
