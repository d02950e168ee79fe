"""Lengths of time as users write them: 90, 500ms, 60s, 5m, 1.5h, 7d."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])
_UNITS_S = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def seconds_of(text: str, bare_s: float = 1) -> float | None:
    """Gives a length of time in seconds; None where it is no such length.

    Args:
        text: a number and its unit.
        bare_s: what a number without a unit counts, in seconds.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if found is None or found[2] not in _UNITS_S:
        return None
    return float(found[1]) * (_UNITS_S[found[2]] if found[2] else bare_s)


class Duration(click.ParamType[float]):
    """The type of an option that takes a length of time; gives seconds.

    Args:
        can_be_zero: whether no time at all makes sense.
        bare_s: what a number without a unit counts, in seconds.
    """

    name = "duration"

    def __init__(self, *, can_be_zero: bool = False, bare_s: float = 1) -> None:
        self.can_be_zero, self.bare_s = can_be_zero, bare_s

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Reads a number with an optional unit."""
        length_s = float(value) if isinstance(value, float | int) else seconds_of(str(value), self.bare_s)
        if length_s is None or not (length_s or self.can_be_zero):
            self.fail(f"{value!r} is no length of time; write it as 60s, 5m, 1.5h or 7d.", param, ctx)
        return length_s


DURATION = Duration()
DURATION_OR_ZERO = Duration(can_be_zero=True)


def duration_option(
    flag: str, name: str, default: str | None, says: str, *, can_be_zero: bool = False
) -> Callable[[_Command], _Command]:
    """Gives a command an option that takes a length of time, and shows its default."""
    kind = DURATION_OR_ZERO if can_be_zero else DURATION
    return click.option(flag, name, type=kind, default=default, show_default=default is not None, help=says)
