"""The user's own labelled images: a CSV file with the columns `file` and `class_id`."""

from __future__ import annotations

from pathlib import Path

from imgcls_cli.labelled_files import LabelledFilesError, read_labelled_files
from imgcls_sdk.errors import SettingsError

from imgcls_client.suite.deployment import LabelledCase


def read_labelled_cases(path: Path) -> tuple[LabelledCase, ...]:
    """Reads labelled images; files are relative to the CSV file's folder. More columns are ignored.

    Raises:
        SettingsError: the file cannot be read, lacks a column or a file, or a row has no whole number as class id.
    """
    try:
        rows = read_labelled_files(path)
    except LabelledFilesError as error:
        raise SettingsError(f"{path} {error}.") from error
    return tuple(LabelledCase(row.path, row.class_id) for row in rows if row.class_id is not None)
