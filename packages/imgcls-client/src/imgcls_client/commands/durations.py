"""Lengths of time as users write them: 90, 500ms, 60s, 5m, 1.5h, 7d."""

from __future__ import annotations

import re

import click

_UNITS_S = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


class _Duration(click.ParamType[float]):
    """A length of time, in seconds.

    Args:
        can_be_zero: whether no time at all makes sense.
    """

    name = "duration"

    def __init__(self, *, can_be_zero: bool = False) -> None:
        self.can_be_zero = can_be_zero

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Reads a number with an optional unit."""
        if isinstance(value, float | int):
            return float(value)
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", str(value).strip().lower())
        if found is None or found[2] not in _UNITS_S or not (float(found[1]) or self.can_be_zero):
            self.fail(f"{value!r} is no length of time; write it as 60s, 5m, 1.5h or 7d.", param, ctx)
        return float(found[1]) * _UNITS_S[found[2]]


DURATION = _Duration()
DURATION_OR_ZERO = _Duration(can_be_zero=True)
