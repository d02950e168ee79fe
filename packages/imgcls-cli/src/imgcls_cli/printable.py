"""Text of others on a terminal: what would move its cursor, change colours or turn lines around is spelled out."""

from __future__ import annotations

import re
import sys
from typing import IO

import click

from imgcls_cli.width import fit_words, line_width

# Control characters but tab and line feed, those that change the direction of writing, and halves of characters, as
# names of files have them that are no UTF-8.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_LEFTWARDS = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
# From the first to the last letter of a script that runs leftwards, with a closing bracket or quote of it, unless a
# letter of another script or a wide gap, as between columns, stands between them.
_LEFTWARD_TEXT = re.compile(rf"[{_LEFTWARDS}](?:(?:(?!  )[^\nA-Za-z{_LEFTWARDS}])*[{_LEFTWARDS}])*[)\]}}\"'»]?")


def printable(text: str) -> str:
    r"""Gives a text with control characters as `\u001b`, which in JSON still means the same."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def shown_on(stream: IO[str] | None, text: str) -> str:
    """Gives a printable text as a stream shows it.

    On a terminal what is written leftwards, as Arabic and Hebrew, is isolated, so that the rest of the line stays where
    it is. Files and pipes get the text alone.
    """
    safe = printable(text)
    if safe.isascii() or stream is None or not stream.isatty():
        return safe
    return _LEFTWARD_TEXT.sub("\u2068\\g<0>\u2069", safe)


def echo(text: str, *, err: bool = False, nl: bool = True, fg: str | None = None) -> None:
    """Prints a text that others may have had a hand in; the one way of every command to a terminal.

    There a line that is longer than the terminal breaks between words, but for those of a JSON document.

    Args:
        text: whose control characters are spelled out; on a terminal, words that run leftwards are isolated.
        err: on standard error.
        nl: with a line's end.
        fg: the colour on a terminal.
    """
    stream = sys.stderr if err else sys.stdout
    said = shown_on(stream, text)
    if stream is not None and stream.isatty() and not said.startswith(("{", "[")):
        said = fit_words(said, line_width(stream))
    click.secho(said, err=err, nl=nl, fg=fg)  # noqa: TID251 - the one place


def csv_cell(text: str) -> str:
    """Keeps a spreadsheet from taking a text for a formula: such a cell begins with an apostrophe."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) and text != "-" else text
