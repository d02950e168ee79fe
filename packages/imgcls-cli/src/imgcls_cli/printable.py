"""Text of others on a terminal: what would move its cursor, change colours or turn lines around is spelled out."""

from __future__ import annotations

import re

import click

# Control characters but tab and line feed, and those that change the direction of writing.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    r"""Gives a text with control characters as `\u001b`, which in JSON still means the same."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Prints a text that others may have had a hand in."""
    click.echo(printable(text), err=err, nl=nl)
