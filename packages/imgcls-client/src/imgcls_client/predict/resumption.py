"""Going on with a JSONL file of predictions where an earlier run stopped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
from imgcls_cli.files import replace_file
from imgcls_sdk.answers import REFUSALS
from imgcls_sdk.errors import ImageRefusedError, SettingsError


class _RowModel(msgspec.Struct):
    sha256: str | None = None


class _RowError(msgspec.Struct):
    status: int | None = None


class _Row(msgspec.Struct):
    """What is read of a line that `predict --jsonl` wrote."""

    file: str
    error: _RowError | None = None
    model: _RowModel | None = None


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier run finished.

    Attributes:
        names: the images that need not be asked again.
        failed: how many of them the service refused for good.
        model_sha256: which model answered last, or None where none did.
    """

    names: frozenset[str] = frozenset()
    failed: int = 0
    model_sha256: str | None = None


def take_up(path: Path) -> Earlier:
    """Reads an earlier run's file and leaves in it only what is finished.

    A line that a kill cut short and images that failed for a passing reason are taken out, so that they are asked
    again and stand in the file once.

    Raises:
        SettingsError: the file is not one that `predict --jsonl` wrote.
    """
    if not path.exists():
        return Earlier()
    kept: list[bytes] = []
    rows: list[_Row] = []
    model: str | None = None
    content = path.read_bytes()
    for number, line in enumerate(content.splitlines(keepends=True), start=1):
        if not line.endswith(b"\n"):
            break
        try:
            row = msgspec.json.decode(line, type=_Row)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"{path} line {number} is not a prediction ({error}); --resume goes on with a file that "
                "`predict --jsonl --output` wrote."
            ) from error
        model = (row.model and row.model.sha256) or model
        if row.error is None or REFUSALS.get(row.error.status or 0) is ImageRefusedError:
            kept.append(line)
            rows.append(row)
    if (finished := b"".join(kept)) != content:
        replace_file(path, finished)
    return Earlier(frozenset(row.file for row in rows), sum(row.error is not None for row in rows), model)
