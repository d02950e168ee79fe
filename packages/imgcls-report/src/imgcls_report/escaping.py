"""Text from outside, such as names of files: signs that would be invisible or turn the text around are shown."""

from __future__ import annotations

import re
from typing import Final

# Control signs without tab and line feed, which a page shows as a space; lone surrogates, which no file can hold;
# and the signs that reverse the direction of what follows.
_HIDDEN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CONTROL_PICTURES: Final = 0x2400


def visible(text: str) -> str:
    r"""Gives the text with a visible sign for each control sign: "␛" for escape, `\u202e` for a reversal."""
    return _HIDDEN.sub(_picture, text)


def _picture(found: re.Match[str]) -> str:
    code = ord(found.group())
    if code < 0x20:
        return chr(_CONTROL_PICTURES + code)
    return "␡" if code == 0x7F else f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
