"""Scales: where a value stands between the two ends of an axis, and which round values are written beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

_STEPS: Final = (1, 2, 2.5, 5, 10)
# Values nearer to each other stand at one place: a float's digits end before ticks could be told apart.
_LEAST_SPAN: Final = 1e-290
_NINES: Final = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999)


@dataclass(frozen=True, slots=True)
class Tick:
    """A value that is written beside an axis.

    Args:
        place: from 0, the beginning of the axis, to 1.
        text: what is written.
    """

    place: float
    text: str


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis that was fitted to values.

    Args:
        label: name and unit.
        ticks: in order.
        place: value → 0 to 1; values beyond the ends stand at them.
    """

    label: str
    ticks: tuple[Tick, ...]
    place: Callable[[float], float]


Scale = Callable[[Sequence[float]], Axis]
"""Fits an axis to values."""


def number_scale(
    label: str,
    *,
    low: float | None = 0.0,
    high: float | None = None,
    text: Callable[[float], str] | None = None,
    is_tight: bool = False,
) -> Scale:
    """Gives a linear scale that ends at round numbers.

    Args:
        label: name and unit.
        low: its beginning; None fits it to the values.
        high: its end; None fits it to the values.
        text: writes a tick; by default with as many decimals as the ticks need.
        is_tight: ends at the last value instead of a round number, for an axis along which things happen.
    """

    def fit(values: Sequence[float]) -> Axis:
        first, last = _ends(values, low, high)
        step = _round_step((last - first) / 4)
        if not is_tight:
            first = first if low is not None else math.floor(first / step + 1e-9) * step
            last = last if high is not None else math.ceil(last / step - 1e-9) * step
        count = math.floor((last - first) / step + 1e-9)
        start = math.ceil(first / step - 1e-9) * step if low is None else first
        values_of_ticks = [
            start + number * step for number in range(count + 1) if start + number * step <= last * 1.001
        ]
        place = _linear(first, last)
        write = text or _writer(step)
        return Axis(label, tuple(Tick(place(value), write(value)) for value in values_of_ticks), place)

    return fit


def log_scale(label: str, *, least: float = 1e-9) -> Scale:
    """Gives a logarithmic scale that begins and ends at powers of ten.

    Args:
        label: name and unit.
        least: smaller values stand here; a logarithm has no 0.
    """

    def fit(values: Sequence[float]) -> Axis:
        exponents = [math.log10(max(value, least)) for value in values] or [0.0]
        high = math.ceil(max(exponents) - 1e-9)
        low = min(math.floor(min(exponents) + 1e-9), high - 1)
        every = max(1, math.ceil((high - low) / 6))
        linear = _linear(low, high)

        def place(value: float) -> float:
            return linear(math.log10(max(value, least)))

        return Axis(label, tuple(Tick(linear(power), _power(power)) for power in range(low, high + 1, every)), place)

    return fit


def percentile_scale(label: str) -> Scale:
    """Gives a scale of percentiles on which each further nine takes the same room, so that the tail can be seen."""

    def fit(values: Sequence[float]) -> Axis:
        most = max((value for value in values if value < 100), default=90.0)
        end = next((nines for nines in _NINES if nines >= max(most, 90.0)), _NINES[-1])
        linear = _linear(0.0, _nines(end))

        def place(value: float) -> float:
            return linear(_nines(min(value, end)))

        ticks = tuple(Tick(place(value), f"p{value:g}") for value in _NINES if value <= end)
        return Axis(label, ticks, place)

    return fit


def _nines(percentile: float) -> float:
    return -math.log10(1 - percentile / 100)


def _ends(values: Sequence[float], low: float | None, high: float | None) -> tuple[float, float]:
    known = [value for value in values if math.isfinite(value)]
    first = low if low is not None else min(known, default=0.0)
    last = high if high is not None else max(known, default=first + 1)
    if last - first <= max(_LEAST_SPAN, 1e-9 * max(abs(first), abs(last))):
        last = first + (abs(first) if low is None and abs(first) > _LEAST_SPAN else 1.0)
    return first, last


def _round_step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in _STEPS if step * power >= least * 0.999999)


def _linear(first: float, last: float) -> Callable[[float], float]:
    return lambda value: min(max((value - first) / (last - first), 0.0), 1.0)


def _writer(step: float) -> Callable[[float], str]:
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if decimals and not math.isclose(step * 10**decimals, round(step * 10**decimals)):
        decimals += 1  # 0.25 needs one more than its power of ten
    if decimals > 4:
        return lambda value: f"{value:.3g}"
    return lambda value: f"{value + 0.0:,.{decimals}f}"


def _power(exponent: int) -> str:
    return f"{10.0**exponent:,.{max(0, -exponent)}f}" if -3 <= exponent <= 5 else f"1e{exponent}"
