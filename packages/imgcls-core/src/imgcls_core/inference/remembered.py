"""Which engine was the fastest for an artifact on a processor: a small file in the user's cache folder."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from imgcls_contract.classification import decoder_of
from msgspec import Meta, Struct

from imgcls_core.cache_folder import cache_folder

_FILE: Final = "engines.json"
_MOST: Final = 64
_MOST_BYTES: Final = 65_536


class FastestEngine(Struct, frozen=True):
    """One measurement.

    Args:
        key: of artifact, processor, versions and threads.
        engine: which was taken.
        reason: one clause that says why.
    """

    key: Annotated[str, Meta(min_length=64, max_length=64)]
    engine: Literal["cpu", "openvino"]
    reason: Annotated[str, Meta(max_length=300)]


def recall_engine(key: str) -> FastestEngine | None:
    """Gives what was measured before; None where nothing was, or the file cannot be read."""
    return next((one for one in _recall_all() if one.key == key), None)


def remember_engine(measured: FastestEngine) -> None:
    """Keeps a measurement and the latest of others; does nothing where that cannot be written."""
    kept = [*(one for one in _recall_all() if one.key != measured.key), measured][-_MOST:]
    # Without a home, or on a disk that is full or read-only, it is measured again at the next load.
    with contextlib.suppress(OSError, RuntimeError):
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(prefix=f".{_FILE}-", dir=folder)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(msgspec.json.encode(kept))
            Path(name).replace(folder / _FILE)
        except OSError:
            Path(name).unlink()
            raise


def _recall_all() -> list[FastestEngine]:
    try:
        path = cache_folder() / _FILE
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return []
        found: list[FastestEngine] = decoder_of(list[FastestEngine]).decode(path.read_bytes())
    except (OSError, RuntimeError, msgspec.MsgspecError, UnicodeDecodeError):
        return []
    return found
