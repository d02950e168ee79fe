"""The user's own labelled images: a CSV file with the columns `file` and `class_id`."""

from __future__ import annotations

import csv
from pathlib import Path

from imgcls_client.errors import SettingsError
from imgcls_client.suite.deployment import LabelledCase


def read_labelled_cases(path: Path) -> tuple[LabelledCase, ...]:
    """Reads labelled images; files are relative to the CSV file's folder. More columns are ignored.

    Raises:
        SettingsError: the file cannot be read, lacks a column, or a row has no whole number as class id.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"The cases in {path} cannot be read: {error}.") from error
    if not rows:
        raise SettingsError(f"{path} has no cases; it needs a header `file,class_id` and a row for each image.")
    missing = {"file", "class_id"} - rows[0].keys()
    if missing:
        found = ", ".join(str(column) for column in rows[0])
        raise SettingsError(f"{path} has the columns {found}; it needs `file` and `class_id`.")
    return tuple(_read_row(path, number, row) for number, row in enumerate(rows, start=2))


def _read_row(path: Path, line: int, row: dict[str, str | None]) -> LabelledCase:
    file, class_id = row["file"] or "", row["class_id"] or ""
    if not file or not class_id.strip().isdecimal():
        raise SettingsError(f"{path} line {line}: file {file!r}, class_id {class_id!r}; the id must be a whole number.")
    return LabelledCase(path.parent / file, int(class_id))
