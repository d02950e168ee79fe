"""Lists of labelled images: a CSV file with the columns file and class_id, read alike by every command."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LABELS_FILE: Final = "labels.csv"
_DELIMITERS: Final = ",;\t"


class LabelledFilesError(ValueError):
    """The list cannot be read; its text is the end of a sentence that begins with the file's name."""


@dataclass(frozen=True)
class LabelledFile:
    """One row of a list.

    Args:
        path: of the image.
        name: as the list has it, relative to the list.
        class_id: None where the row leaves it empty.
    """

    path: Path
    name: str
    class_id: int | None


def read_labelled_files(table: Path, *, unlabelled: bool = False) -> list[LabelledFile]:
    """Reads a list; its files are relative to it, more columns are ignored, as are rows without anything.

    Args:
        table: text in UTF-8 with commas, semicolons or tabs.
        unlabelled: rows, or the whole list, may have no class_id.

    Raises:
        LabelledFilesError: it cannot be read, lacks a column or a file, has a class_id that is no whole number, or has
            a file twice.
    """
    try:
        text = table.read_text(encoding="utf-8-sig")
        header = text.lstrip().partition("\n")[0]
        delimiter = max(_DELIMITERS, key=header.count)
        lines = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
        rows = [(lines.line_num, [cell.strip() for cell in row]) for row in lines if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelledFilesError(
            f"cannot be read as a CSV file: {error}; it needs the header `file,class_id` and a row for each image"
        ) from error
    if not rows:
        raise LabelledFilesError("is empty; it needs the header `file,class_id` and a row for each image")
    columns = rows[0][1]
    lacking = [one for one in ("file", "class_id") if one not in columns and not (unlabelled and one == "class_id")]
    if lacking:
        raise LabelledFilesError(f"has the columns {', '.join(columns)}; it needs file, and class_id for labels")
    read: list[LabelledFile] = []
    seen: set[str] = set()
    for line, cells in rows[1:]:
        one = _row(table, dict(zip(columns, cells, strict=False)), line, unlabelled=unlabelled)
        if one.name in seen:
            raise LabelledFilesError(f"has {one.name!r} twice, again in line {line}")
        seen.add(one.name)
        read.append(one)
    if not read:
        raise LabelledFilesError("has no rows; it needs the header `file,class_id` and a row for each image")
    return read


def _row(table: Path, row: Mapping[str, str], line: int, *, unlabelled: bool) -> LabelledFile:
    name, class_id = row.get("file", ""), row.get("class_id", "")
    path = table.parent / name
    if not name or not path.is_file():
        raise LabelledFilesError(f"names {name!r} in line {line}; there is no such file beside it")
    is_number = class_id.isascii() and class_id.isdecimal() and len(class_id) < 10
    if not is_number and not (unlabelled and not class_id):
        raise LabelledFilesError(f"has the class_id {class_id!r} in line {line}; it must be a whole number")
    return LabelledFile(path, name, int(class_id) if class_id else None)
