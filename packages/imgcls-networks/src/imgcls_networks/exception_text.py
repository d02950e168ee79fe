"""Foreign exceptions as one line that fits into a sentence."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path
from typing import Final

_LIBRARIES: Final = tuple(sysconfig.get_paths()[kind] for kind in ("stdlib", "purelib", "platlib"))
_OURS: Final = str(Path(__file__).parent.parent / "imgcls_")


def one_line(error: BaseException) -> str:
    """Gives the first line of what it says, at most 300 characters, without the full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")[:300]


def root_cause(error: BaseException) -> str:
    """As `one_line`, of the error at the beginning of the chain."""
    while error.__cause__ is not None:
        error = error.__cause__
    return one_line(error)


def raised_at(error: BaseException) -> str:
    """Says where in a user's own code an exception comes from, as a sentence to add; nothing where it was elsewhere."""
    if isinstance(error, SyntaxError) and error.filename:
        return _place(error.filename, error.lineno, error.text)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((*_LIBRARIES, _OURS, "<"))
    ]
    return _place(frames[-1].filename, frames[-1].lineno, frames[-1].line) if frames else ""


def _place(file: str, line: int | None, text: str | None) -> str:
    return f" It was raised in {file}, line {line}: `{(text or '').strip()}`."
