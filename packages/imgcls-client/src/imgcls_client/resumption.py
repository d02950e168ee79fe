"""Going on with a JSONL file of predictions where an earlier run stopped."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from imgcls_client.calls import REFUSALS
from imgcls_client.errors import ImageRefusedError, SettingsError
from imgcls_client.json_fields import as_object, optional_text, text

__all__ = ["Earlier", "take_up"]


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier run finished.

    Attributes:
        names: The pictures that need not be asked again.
        failed: How many of them the service refused for good.
        model_sha256: Which model answered last, or None where none did.
    """

    names: frozenset[str]
    failed: int
    model_sha256: str | None


def take_up(path: Path) -> Earlier:
    """Read an earlier run's file and leave in it only what is finished.

    A line that a kill cut short and pictures that failed for a passing reason are taken out, so that they are asked
    again and stand in the file once.

    Raises:
        SettingsError: The file is not one that `predict --jsonl` wrote.
    """
    if not path.exists():
        return Earlier(frozenset(), 0, None)
    kept: list[bytes] = []
    names: set[str] = set()
    failed = 0
    model: str | None = None
    content = path.read_bytes()
    for number, line in enumerate(content.splitlines(keepends=True), start=1):
        if not line.endswith(b"\n"):
            break
        try:
            row = as_object(json.loads(line), "the line")
            name = text(row, "file")
            is_passing_failure = "error" in row and not was_refused_for_good(row)
            model = sha256_of(row) or model
        except ValueError as error:
            raise SettingsError(
                f"{path} line {number} is not a prediction ({error}); --resume goes on with a file that "
                "`predict --jsonl --output` wrote."
            ) from error
        if is_passing_failure:
            continue
        kept.append(line)
        names.add(name)
        failed += "error" in row
    replace(path, b"".join(kept), content)
    return Earlier(frozenset(names), failed, model)


def was_refused_for_good(row: dict[str, object]) -> bool:
    """Say whether the service refused the picture itself."""
    status = as_object(row["error"], "error").get("status")
    return isinstance(status, int) and REFUSALS.get(status) is ImageRefusedError


def sha256_of(row: dict[str, object]) -> str | None:
    """Give the hash of the model that answered."""
    return optional_text(as_object(row["model"], "model"), "sha256") if "model" in row else None


def replace(path: Path, content: bytes, before: bytes) -> None:
    """Write the file anew, whole or not at all."""
    if content == before:
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    beside.write_bytes(content)
    beside.replace(path)
