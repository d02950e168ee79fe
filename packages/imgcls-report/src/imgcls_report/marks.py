"""What a chart draws: lines, dots, columns and shaded stretches, all in values of its axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Colour = Literal["", "1", "2", "3", "4", "5", "good", "bad", "warn", "soft", "red", "green", "blue"]
"""A colour of the page, for light and dark; "" is the next of 1 to 5."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line; a point whose value is None breaks it.

    Args:
        name: for the legend; "" stands in none.
        points: (x, y), x ascending.
        colour: of the line.
        is_dashed: for limits and what is expected.
    """

    name: str
    points: Sequence[tuple[float, float | None]]
    colour: Colour = ""
    is_dashed: bool = False


@dataclass(frozen=True, slots=True)
class Dot:
    """A point of its own, with what is said of it and its radius in px."""

    x: float
    y: float
    text: str = ""
    radius: float = 2.0


@dataclass(frozen=True, slots=True)
class Dots:
    """Dots of one kind."""

    name: str
    dots: Sequence[Dot]
    colour: Colour = ""


@dataclass(frozen=True, slots=True)
class Bars:
    """Columns that stand on the axis.

    Args:
        name: for the legend; "" stands in none.
        bars: (from x, to x, y).
        texts: what is said of each.
        colour: of the columns.
        share: of its stretch that a column takes; narrower ones can stand before wider ones.
    """

    name: str
    bars: Sequence[tuple[float, float, float]]
    texts: Sequence[str]
    colour: Colour = ""
    share: float = 0.92


@dataclass(frozen=True, slots=True)
class Shade:
    """Stretches of x that are shaded, such as outages."""

    name: str
    spans: Sequence[tuple[float, float]]
    colour: Colour = "bad"


Mark = Line | Dots | Bars | Shade
