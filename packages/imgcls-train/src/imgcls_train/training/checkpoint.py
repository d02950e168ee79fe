"""A training's state on disk: written beside the old one and then put in its place, so that a kill harms neither."""

from __future__ import annotations

import os
import pickle
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import torch

from imgcls_train.errors import RunError

CHECKPOINT_NAME: Final = "checkpoint.pt"


@contextmanager
def replacing(path: Path) -> Generator[BinaryIO]:
    """Gives a file to write, put in place when it is whole: after a crash there is the old one or the new one."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def write_atomically(path: Path, content: bytes) -> None:
    """Puts a file in place whole."""
    with replacing(path) as file:
        file.write(content)


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Saves the state of a training in its run's folder."""
    with replacing(folder / CHECKPOINT_NAME) as file:
        torch.save(state, file)


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Loads the state of a training; None when there is none yet.

    Raises:
        RunError: it is damaged.
    """
    path = folder / CHECKPOINT_NAME
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise RunError(
            f"The checkpoint {str(path)!r} is damaged ({type(error).__name__}); remove the folder to start anew."
        ) from error
    return state
