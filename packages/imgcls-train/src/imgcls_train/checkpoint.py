"""A training's state on disk: written beside the old one and then put in its place, so that a kill harms neither."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any, Final

import torch

from imgcls_train.errors import RunError

CHECKPOINT_NAME: Final = "checkpoint.pt"


def write_atomically(path: Path, content: bytes) -> None:
    """Puts a file in place whole: after a crash there is the old one or the new one."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Saves the state of a training in its run's folder."""
    part = folder / f".{CHECKPOINT_NAME}.part"
    with part.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / CHECKPOINT_NAME)


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
