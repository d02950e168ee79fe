"""Folders that one of several processes fills and all of them read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

MadeOnce = Callable[[str, Callable[[Path], object]], Path]


def filled_folder(root: Path, name: str, fill: Callable[[Path], object]) -> Path:
    """Gives the folder `name` in `root`; `fill` is called with it unless it was filled before, here or elsewhere."""
    folder, done = root / name, root / f"{name}.done"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f"{name}.lock"):
        if not done.exists():
            fill(folder)
            done.touch()
    return folder
