"""Lines that fit a terminal: broken between their parts, never within one; elsewhere they are as long as they are."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Sequence
from typing import Final, TextIO

_LEAST: Final = 20
# What begins a line and stays left of what follows: its indent, and a name with at least two spaces behind it.
_NAME: Final = re.compile(r" *(?:\S+(?: \S+)* {2,})?")
_COMMAND: Final = re.compile(r"`[^`\n]*`")
_JOINED: Final = "\0"  # in the place of a space that is no place to break


def line_width(stream: TextIO | None = None) -> int | None:
    """Gives how many characters a line may have: `COLUMNS`, or the terminal's; None for any.

    Args:
        stream: where it is printed; standard output unless told.
    """
    if (stream := stream or sys.stdout) is None:
        return None
    if (told := os.environ.get("COLUMNS", "")).isdecimal() and int(told) >= _LEAST:
        return int(told)
    # A terminal that does not say how wide it is says 0.
    return (os.get_terminal_size(stream.fileno()).columns or None) if stream.isatty() else None


def fit_words(text: str, width: int | None) -> str:
    """Breaks lines that are longer than a width between words, never within a command in backquotes.

    Args:
        text: of any number of lines; what follows a name and two spaces stays right of the name.
        width: of a line; None leaves every line as it is.
    """
    if width is None or width < _LEAST:
        return text
    return "\n".join(line if len(line) <= width else _fit_line(line, width) for line in text.split("\n"))


def _fit_line(line: str, width: int) -> str:
    named = _NAME.match(line)
    left = len(named[0]) if named else 0
    indent = left if left <= width // 3 else 2

    def join(command: re.Match[str]) -> str:
        return command[0].replace(" ", _JOINED) if len(command[0]) <= width - indent else command[0]

    parts = textwrap.wrap(
        _COMMAND.sub(join, line[left:]),
        width,
        initial_indent=line[:left],
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(parts).replace(_JOINED, " ")


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
