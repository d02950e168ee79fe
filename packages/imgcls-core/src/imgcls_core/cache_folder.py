"""Where a user's machine keeps what can be made or fetched again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Gives `$IMGCLS_CACHE_DIR`, else `$XDG_CACHE_HOME/imgcls`, else `~/.cache/imgcls`.

    Raises:
        RuntimeError: none of them is known, as for a user without a home.
    """
    if named := os.environ.get("IMGCLS_CACHE_DIR"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imgcls"
