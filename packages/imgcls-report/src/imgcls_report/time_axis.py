"""The scale of times: ticks at full seconds, minutes, hours, days or months, whatever the span asks for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from imgcls_report.axes import Axis, Scale, Tick

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_STEPS: Final = (
    *(1, 2, 5, 10, 15, 30),
    *(_MINUTE * count for count in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * count for count in (1, 2, 3, 6, 12)),
    *(_DAY * count for count in (1, 2, 7, 14)),
)
_MOST_TICKS: Final = 7
_MONTH: Final = 30.44 * _DAY


def time_scale(label: str = "time (UTC)") -> Scale:
    """Gives a scale of times, as seconds since 1970."""

    def fit(values: Sequence[float]) -> Axis:
        first, last = min(values, default=0.0), max(values, default=1.0)
        if last <= first:
            first, last = first - 1, last + 1
        step = next((step for step in _STEPS if (last - first) / step <= _MOST_TICKS), None)
        moments = _months(first, last) if step is None else _multiples(first, last, step)

        def place(value: float) -> float:
            return min(max((value - first) / (last - first), 0.0), 1.0)

        return Axis(label, _written([(place(moment.timestamp()), moment) for moment in moments], step), place)

    return fit


def _multiples(first: float, last: float, step: int) -> list[datetime]:
    """Gives the multiples of a step; those of days and more count from a Monday's midnight."""
    monday = datetime(2024, 1, 1, tzinfo=UTC)
    start = -(-(first - monday.timestamp()) // step)
    end = (last - monday.timestamp()) // step
    return [monday + timedelta(seconds=number * step) for number in range(int(start), int(end) + 1)]


def _months(first: float, last: float) -> list[datetime]:
    """Gives first days of months, so many months apart that few enough fit."""
    start, end = datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC)
    every = next((count for count in (1, 2, 3, 6) if (last - first) / _MONTH / count <= _MOST_TICKS), None)
    every = every or 12 * (1 + int((last - first) / _MONTH / 12 / _MOST_TICKS))
    numbers = range(-(-(start.year * 12 + start.month) // every) * every, end.year * 12 + end.month, every)
    return [datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC) for number in numbers]


def _written(placed: Sequence[tuple[float, datetime]], step: int | None) -> tuple[Tick, ...]:
    """Writes the clock, and the day where a new one begins or none was written yet."""
    if step is None:
        return tuple(Tick(place, f"{moment:%b %Y}") for place, moment in placed)
    if step >= _DAY:
        return tuple(Tick(place, f"{moment.day} {moment:%b}") for place, moment in placed)
    ticks: list[Tick] = []
    day = placed[0][1].date() if placed else None
    for place, moment in placed:
        clock = f"{moment:%H:%M:%S}" if step < _MINUTE else f"{moment:%H:%M}"
        ticks.append(Tick(place, clock if moment.date() == day else f"{moment.day} {moment:%b}"))
        day = moment.date()
    return tuple(ticks)
