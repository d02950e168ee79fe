"""One chart: axes and marks, as SVG that fits its box at every width with letters of one size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from imgcls_report.axes import Axis, Scale, Tick, number_scale
from imgcls_report.marks import Bars, Dot, Dots, Line, Mark, Shade
from imgcls_report.templates import fill

if TYPE_CHECKING:
    from markupsafe import Markup

_MOST_DOTS: Final = 3000  # of one kind; more only make the file large
_LARGEST: Final = 100  # of them that are drawn in any case
_COLOURS: Final = 5
_SIGN_PX, _SIGN_MARGIN_PX = 6.6, 14  # of a tick's text
_NARROW_PX: Final = 290  # between the axes of a chart on a phone


def chart(
    title: str, marks: Sequence[Mark], *, x: Scale, y: Scale, is_square: bool = False, has_caption: bool = True
) -> Markup:
    """Draws marks between two axes; a value that is no finite number is not drawn, and breaks a line.

    Args:
        title: what it shows; also for those who cannot see it.
        marks: the first lies at the back.
        x: scale of the axis below.
        y: scale of the axis to the left.
        is_square: as high as wide, for axes that mean the same.
        has_caption: whether the title stands above it; it does not need to where a heading says the same.
    """
    marks = [_finite(mark) for mark in marks]
    if not any(_ys(mark) for mark in marks):
        return fill("paragraph", text=f"{title[:1].upper()}{title[1:]}: there is nothing to draw.", tone="soft")
    across = x([value for mark in marks for value in _xs(mark)])
    up = y([value for mark in marks for value in _ys(mark)])
    named = [mark for mark in marks if mark.name and not (isinstance(mark, Shade) and not mark.spans)]
    next_colours = iter(range(len(marks)))
    coloured = [(mark, mark.colour or str(next(next_colours) % _COLOURS + 1)) for mark in marks]
    widest = max((len(tick.text) for tick in up.ticks), default=1)
    return fill(
        "chart",
        title=title,
        x=across,
        y=up,
        crowded=_crowded(across.ticks),
        drawn=[_drawn(mark, colour, across, up) for mark, colour in coloured],
        legend=[(mark.name, colour, _swatch(mark)) for mark, colour in coloured if mark in named]
        if len(named) > 1
        else [],
        left_px=round(_SIGN_MARGIN_PX + _SIGN_PX * widest),
        is_square=is_square,
        has_caption=has_caption,
    )


def histogram(
    title: str,
    shares: Sequence[tuple[str, Sequence[float]]],
    *,
    x_label: str,
    low: float = 0.0,
    high: float = 1.0,
    has_caption: bool = True,
) -> Markup:
    """Draws how often values fall into bins of equal width.

    Args:
        title: what it shows.
        shares: name and the share of each bin, 0 to 1; the first stands behind the others, which are narrower.
        x_label: what the values are.
        low: where the first bin begins.
        high: where the last bin ends.
        has_caption: whether the title stands above it.
    """
    marks: list[Mark] = []
    for place, (name, bins) in enumerate(shares):
        width = (high - low) / len(bins)
        edges = [low + number * width for number in range(len(bins) + 1)]
        bars = [(edges[number], edges[number + 1], share) for number, share in enumerate(bins)]
        said = f"{name}, " if len(shares) > 1 else ""
        texts = [f"{said}{start:.2f} to {end:.2f}: {share:.1%}" for start, end, share in bars]
        marks.append(Bars(name, bars, texts, share=0.92 * 0.5**place))
    x = number_scale(x_label, low=low, high=high)
    return chart(title, marks, x=x, y=number_scale("share", text=_percent), has_caption=has_caption)


def _crowded(ticks: Sequence[Tick]) -> list[Tick]:
    """Gives the ticks whose text has no room on a phone; the last one always has."""
    crowded: list[Tick] = []
    right = math.inf
    for tick in reversed(ticks):
        half = (_SIGN_PX * len(tick.text) / 2 + 4) / _NARROW_PX
        if tick.place + half > right:
            crowded.append(tick)
        else:
            right = tick.place - half
    return crowded


def _finite(mark: Mark) -> Mark:
    """Takes out what is no finite number; a line breaks there."""
    match mark:
        case Line():
            told = [(x, y if y is not None and math.isfinite(y) else None) for x, y in mark.points if math.isfinite(x)]
            return replace(mark, points=told)
        case Dots():
            return replace(mark, dots=[dot for dot in mark.dots if math.isfinite(dot.x) and math.isfinite(dot.y)])
        case Bars():
            kept = [number for number, bar in enumerate(mark.bars) if all(map(math.isfinite, bar))]
            return replace(mark, bars=[mark.bars[one] for one in kept], texts=[mark.texts[one] for one in kept])
        case Shade():
            return replace(mark, spans=[span for span in mark.spans if all(map(math.isfinite, span))])


def _percent(share: float) -> str:
    return f"{100 * share:.4g}%"


def _xs(mark: Mark) -> list[float]:
    match mark:
        case Line():
            return [x for x, _ in mark.points]
        case Dots():
            return [dot.x for dot in mark.dots]
        case Bars():
            return [edge for start, end, _ in mark.bars for edge in (start, end)]
        case Shade():
            return [edge for span in mark.spans for edge in span]


def _ys(mark: Mark) -> list[float]:
    match mark:
        case Line():
            return [y for _, y in mark.points if y is not None]
        case Dots():
            return [dot.y for dot in mark.dots]
        case Bars():
            return [y for _, _, y in mark.bars]
        case Shade():
            return []


def _swatch(mark: Mark) -> str:
    match mark:
        case Line():
            return "dashed" if mark.is_dashed else "line"
        case Shade():
            return "shade"
        case _:
            return "box"


def _drawn(mark: Mark, colour: str, x: Axis, y: Axis) -> dict[str, Any]:
    """Gives the shapes of a mark, their places in percent of the chart, counted from its upper left corner."""

    def at(point: tuple[float, float]) -> tuple[float, float]:
        return round(100 * x.place(point[0]), 2), round(100 - 100 * y.place(point[1]), 2)

    shapes: dict[str, Any] = {"colour": colour, "dashed": False, "paths": [], "dots": [], "rects": [], "shades": []}
    match mark:
        case Line():
            stretches = [[at(point) for point in stretch] for stretch in _unbroken(mark.points)]
            shapes["dashed"] = mark.is_dashed
            shapes["paths"] = [_path(stretch) for stretch in stretches if len(stretch) > 1]
            shapes["dots"] = [(*stretch[0], 2, "") for stretch in stretches if len(stretch) == 1]
        case Dots():
            shapes["dots"] = [(*at((dot.x, dot.y)), round(dot.radius, 1), dot.text) for dot in _few(mark.dots)]
        case Bars():
            shapes["rects"] = [
                _rect(at((start, value)), at((end, 0.0)), mark.share, text)
                for (start, end, value), text in zip(mark.bars, mark.texts, strict=True)
            ]
        case Shade():
            spans = [(100 * x.place(start), 100 * x.place(end)) for start, end in mark.spans]
            shapes["shades"] = [(round(start, 2), round(max(end - start, 0.3), 2)) for start, end in spans]
    return shapes


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{across:g},{down:g}" for across, down in points)


def _rect(top: tuple[float, float], foot: tuple[float, float], share: float, text: str) -> tuple[float, ...]:
    width = foot[0] - top[0]
    return round(top[0] + width * (1 - share) / 2, 2), top[1], round(width * share, 2), round(foot[1] - top[1], 2), text  # pyright: ignore[reportReturnType]


def _unbroken(points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """Splits a line where values are missing."""
    stretches: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is not None:
            stretches[-1].append((x, y))
        elif stretches[-1]:
            stretches.append([])
    return [stretch for stretch in stretches if stretch]


def _few(dots: Sequence[Dot]) -> Sequence[Dot]:
    """Gives so many dots as a page can hold: evenly chosen ones, and always the highest hundred."""
    if len(dots) <= _MOST_DOTS:
        return dots
    highest: Callable[[Dot], float] = lambda dot: -dot.y  # noqa: E731
    return [*dots[:: math.ceil(len(dots) / _MOST_DOTS)], *sorted(dots, key=highest)[:_LARGEST]]
