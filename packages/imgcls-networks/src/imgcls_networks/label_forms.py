"""The forms in which people keep names of classes; each is known by what it holds, and an unknown one is refused."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml
from imgcls_core.artifact import ClassInfo

from imgcls_networks.errors import RequestError

FORMS: Final = "text with a name a line, CSV with class_id and label, JSON, YAML"
_TEXT: Final = frozenset({".txt", ".names", ".labels", ".lst", ""})
_YAML: Final = frozenset({".yaml", ".yml"})
# Where larger documents have the names: transformers, Ultralytics, timm, and what people write.
_WITHIN: Final = ("id2label", "names", "label_names", "class_to_idx", "label2id", "classes", "labels")
_WNID: Final = re.compile(r"n\d{8}")
_NUMBERED: Final = re.compile(r"(\d+)\s*[:,;\t ]\s*(.+)")
_NUMBERED_BEHIND: Final = re.compile(r"(.+?)\s*[:,;\t ]\s*(\d+)")

Classes = dict[int, ClassInfo]


def read_forms(text: str, suffix: str, source: str) -> Classes:
    """Reads names of classes.

    Args:
        text: of the file.
        suffix: of its name, lower case.
        source: its name, for errors.

    Returns:
        The classes by their numbers, which may have gaps.

    Raises:
        RequestError: it is in none of the forms, or can be read in two ways.
    """
    if suffix == ".json":
        return _from_tree(_json(text, source), source)
    if suffix in _YAML:
        return _from_tree(_yaml(text, source), source)
    if suffix in {".csv", ".tsv"}:
        return _from_table(text, source)
    if suffix in _TEXT:
        return (
            _from_tree(_literal(text, source), source) if text.lstrip()[:1] in {"{", "["} else _from_lines(text, source)
        )
    raise RequestError(f"The label file {source!r} ends in {suffix!r}; labels are read from {FORMS}.")


def _from_lines(text: str, source: str) -> Classes:
    lines = [line.strip() for line in text.rstrip().splitlines()]
    if (numbered := _numbered(lines, source)) is not None:
        return numbered
    if lines and lines[0].replace(" ", "") in {"class_id,label", "class_id,label,wnid"}:
        return _from_table(text, source)
    if lines and all(_WNID.match(line) and " " in line for line in lines):  # as Caffe's synset_words.txt
        return {i: ClassInfo(i, line[9:].strip(), line[:9]) for i, line in enumerate(lines)}
    if len(lines) > 1 and all(line.startswith(("- ", "-\t")) or line.endswith(":") for line in lines):
        raise RequestError(f"The label file {source!r} looks like YAML; name it .yaml, or write a name a line.")
    return {i: ClassInfo(i, line) for i, line in enumerate(lines)}


def _numbered(lines: Sequence[str], source: str) -> Classes | None:
    """Reads `0: cat` or `cat 0`, where every line has a number of its own, from 0 on; None for plain names."""
    for pattern, number, name in ((_NUMBERED, 1, 2), (_NUMBERED_BEHIND, 2, 1)):
        found = [pattern.fullmatch(line) for line in lines]
        rows = [(int(one[number]), one[name].strip().strip("'\"")) for one in found if one]
        # Where the numbers alone tell the names apart, as in "1 star", they belong to them.
        if not rows or len(rows) < len(lines) or len({row[1] for row in rows}) < len(rows):
            continue
        ids = sorted(row[0] for row in rows)
        if ids == list(range(len(rows))):
            return {i: ClassInfo(i, label) for i, label in rows}
        if ids == list(range(1, len(rows) + 1)):
            raise RequestError(
                f"The label file {source!r} numbers its {len(rows)} classes from 1; networks count from 0. Number them "
                "so, or take the numbers out where they belong to the names."
            )
    return None


def _from_table(text: str, source: str) -> Classes:
    header = text.partition("\n")[0]
    delimiter = next((sign for sign in ",;\t" if {"class_id", "label"} <= set(_cells(header, sign))), ",")
    rows = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    columns = set(rows.fieldnames or ())
    if not {"class_id", "label"} <= columns:
        if {"file", "class_id"} <= columns:
            raise RequestError(
                f"{source!r} lists labelled images (file, class_id) and names no classes: give it to `--golden`."
            )
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if lines and all(line.count(",") == 1 for line in lines) and (numbered := _numbered(lines, source)) is not None:
            return numbered
        raise RequestError(
            f"The label file {source!r} has the columns {rows.fieldnames}; "
            "it needs class_id and label (wnid may follow)."
        )
    classes: Classes = {}
    for row in rows:
        number = _class_id(row["class_id"], source)
        if number in classes:
            raise RequestError(f"The label file {source!r} names class {number} twice.")
        classes[number] = ClassInfo(number, (row["label"] or "").strip(), row.get("wnid") or None)
    return classes


def _cells(line: str, delimiter: str) -> list[str]:
    return [cell.strip() for cell in line.strip().split(delimiter)]


def _from_tree(content: Any, source: str) -> Classes:  # noqa: ANN401 - whatever a document holds
    if isinstance(content, Mapping):
        within = next((key for key in _WITHIN if isinstance(content.get(key), dict | list)), None)
        if within:
            return _from_tree(content[within], source)
        pairs = list(content.items())
        if pairs and all(isinstance(number, int) and not isinstance(number, bool) for _, number in pairs):
            if all(str(name).strip().isdecimal() for name, _ in pairs) and any(str(n) != str(i) for n, i in pairs):
                raise RequestError(
                    f"The label file {source!r} can be read in two ways, as names to ids and as ids to names; write "
                    "the names as texts."
                )
            pairs = [(number, str(name)) for name, number in pairs]  # torchvision's class_to_idx
    elif isinstance(content, list):
        pairs = list(enumerate(content))
    else:
        raise RequestError(
            f"The label file {source!r} must hold a list of names, an object from id to name or from name to id, or "
            f"one of {', '.join(_WITHIN)} with it."
        )
    classes: Classes = {}
    for key, value in pairs:
        number = _class_id(key, source)
        if number in classes:
            raise RequestError(f"The label file {source!r} names class {number} twice.")
        if isinstance(value, list) and len(value) == 2 and all(isinstance(part, str) for part in value):
            classes[number] = ClassInfo(number, value[1], value[0])  # Keras' {"0": ["n01440764", "tench"]}
        elif isinstance(value, str):
            classes[number] = ClassInfo(number, value.strip())
        else:
            raise RequestError(f"The label file {source!r} has {value!r:.80} for class {number}; it must be a name.")
    return classes


def _json(text: str, source: str) -> Any:  # noqa: ANN401
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return _unique(pairs, source)

    try:
        return json.loads(text, object_pairs_hook=unique)
    except (json.JSONDecodeError, RecursionError) as error:
        raise RequestError(f"The label file {source!r} is not JSON: {error}.") from error


def _literal(text: str, source: str) -> Any:  # noqa: ANN401
    """Reads JSON, or a dictionary or list as Python prints it, in a text file."""
    try:
        found: Any = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return _json(text, source)
    return found


def _yaml(text: str, source: str) -> Any:  # noqa: ANN401
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        where = " ".join(str(error).split())
        raise RequestError(f"The label file {source!r} is not YAML: {where:.200}.") from error
    return _of_node(node, source, 0)


def _of_node(node: Any, source: str, depth: int) -> Any:  # noqa: ANN401
    """Gives texts as they are written: to YAML, the names no, on and 1e3 are other things. Whole numbers are ids."""
    if isinstance(node, yaml.ScalarNode):
        is_id = node.tag == "tag:yaml.org,2002:int" and node.value.isdecimal() and len(node.value) < 10
        return int(node.value) if is_id else node.value
    if node is None or depth > 4:
        return None
    if isinstance(node, yaml.SequenceNode):
        scalar = yaml.ScalarNode
        return [one.value if isinstance(one, scalar) else _of_node(one, source, depth + 1) for one in node.value]
    pairs = [(_of_node(key, source, depth + 1), _of_node(value, source, depth + 1)) for key, value in node.value]
    return _unique([(key if isinstance(key, int | str) else str(key), value) for key, value in pairs], source)


def _unique(pairs: list[tuple[Any, Any]], source: str) -> dict[Any, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise RequestError(f"The label file {source!r} has {twice!r} twice.")
    return found


def _class_id(text: object, source: str) -> int:
    try:
        return int(str(text))
    except ValueError:
        raise RequestError(f"The label file {source!r} has the class id {text!r:.80}; it must be a number.") from None
