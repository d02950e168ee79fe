"""Lines that fit a terminal: broken between their parts, never within one; elsewhere they are as long as they are."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

_LEAST: Final = 20


def line_width() -> int | None:
    """Gives how many characters a line of standard output may have: `COLUMNS`, or the terminal's; None for any."""
    if (told := os.environ.get("COLUMNS", "")).isdecimal() and int(told) >= _LEAST:
        return int(told)
    return os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else None


def fit_parts(parts: Sequence[str], *, gap: str = "  ", indent: str = "  ") -> str:
    """Joins parts to a line, and goes on in an indented one where the next part would not fit."""
    width = line_width()
    lines = [parts[0]]
    for part in parts[1:]:
        longer = f"{lines[-1]}{gap}{part}"
        if width is None or len(longer) <= width:
            lines[-1] = longer
        else:
            lines[-1] = lines[-1] + gap.rstrip()
            lines.append(indent + part)
    return "\n".join(lines)


def shorten(text: str, width: int, *, keeps_end: bool = False) -> str:
    """Cuts a text that is longer than a width, and says so by `…`."""
    if len(text) <= width:
        return text
    return f"…{text[len(text) - width + 1 :]}" if keeps_end else f"{text[: width - 1]}…"
