"""Plain SVG pictures for reports. Colours are those of the page, so that light and dark both work."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Pair", "Series", "bar_chart", "dot_chart", "line_chart", "pair_chart"]

WIDTH, HEIGHT = 900, 240
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 14, 34
COLOURS = ("var(--a)", "var(--b)", "var(--c)", "var(--bad)")
# More dots than this on one picture only make the file large.
MOST_DOTS = 3000


@dataclass(frozen=True, slots=True)
class Series:
    """A named line; a point whose value is None breaks it."""

    name: str
    points: Sequence[tuple[float, float | None]]


@dataclass(frozen=True, slots=True)
class Pair:
    """What was expected of something and what was found, both 0 to 1."""

    name: str
    expected: float
    found: float


@dataclass(frozen=True, slots=True)
class Frame:
    """The axes of one picture."""

    x_low: float
    x_high: float
    y_high: float

    def x(self, value: float) -> float:
        """Give the place of a value on the x axis, in units of the picture."""
        span = self.x_high - self.x_low or 1.0
        return LEFT + (value - self.x_low) / span * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Give the place of a value on the y axis."""
        return HEIGHT - BOTTOM - min(value, self.y_high) / self.y_high * (HEIGHT - TOP - BOTTOM)


def round_up(value: float) -> float:
    """Give the next value of 1, 2, 2.5 or 5 times a power of ten, for the end of an axis."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * 0.999999)


def frame_of(points: Sequence[tuple[float, float | None]], y_high: float | None) -> Frame:
    """Fit axes around points; the y axis begins at 0."""
    xs = [x for x, _ in points] or [0.0]
    ys = [y for _, y in points if y is not None] or [0.0]
    return Frame(min(xs), max(xs), y_high or round_up(max(ys)))


def axes(frame: Frame, y_label: str, x_text: Callable[[float], str]) -> list[str]:
    """Draw four horizontal lines with their values and five values below."""
    parts = [f'<text x="{LEFT}" y="10">{escape(y_label)}</text>']
    for step in range(5):
        value = frame.y_high * step / 4
        y = frame.y(value)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--line)"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
        x_value = frame.x_low + (frame.x_high - frame.x_low) * step / 4
        anchor = ("start", "middle", "middle", "middle", "end")[step]
        place = f'x="{frame.x(x_value):.1f}" y="{HEIGHT - 12}" text-anchor="{anchor}"'
        parts.append(f"<text {place}>{escape(x_text(x_value))}</text>")
    return parts


def svg(parts: Sequence[str], title: str, height: int = HEIGHT) -> str:
    """Wrap a picture."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title, quote=True)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    y_label: str,
    x_text: Callable[[float], str],
    gaps: Sequence[tuple[float, float]] = (),
    y_high: float | None = None,
) -> str:
    """Draw lines over a common x axis.

    Args:
        series: At most four.
        title: For those who cannot see it.
        y_label: Name and unit.
        x_text: Writes a value of the x axis.
        gaps: Stretches of x to shade.
        y_high: End of the y axis; by default it fits.
    """
    frame = frame_of([point for one in series for point in one.points], y_high)
    parts: list[str] = []
    for start, end in gaps:
        width = max(2.0, frame.x(end) - frame.x(start))
        parts.append(
            f'<rect class="gap" x="{frame.x(start):.1f}" y="{TOP}" width="{width:.1f}" '
            f'height="{HEIGHT - TOP - BOTTOM}" fill="var(--gap)"/>'
        )
    parts += axes(frame, y_label, x_text)
    for number, one in enumerate(series):
        colour = COLOURS[number % len(COLOURS)]
        for stretch in unbroken(one.points):
            path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in stretch)
            parts.append(
                f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
                if len(stretch) > 1
                else f'<circle cx="{path.split(",")[0]}" cy="{path.split(",")[1]}" r="2" fill="{colour}"/>'
            )
        x = LEFT + 120 + 110 * number
        parts.append(f'<rect x="{x}" y="3" width="10" height="8" fill="{colour}"/>')
        parts.append(f'<text x="{x + 14}" y="10">{escape(one.name)}</text>')
    return svg(parts, title)


def unbroken(points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """Split a line where values are missing."""
    stretches: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is not None:
            stretches[-1].append((x, y))
        elif stretches[-1]:
            stretches.append([])
    return [stretch for stretch in stretches if stretch]


def dot_chart(
    dots: Sequence[tuple[float, float, bool]], *, title: str, y_label: str, x_text: Callable[[float], str]
) -> str:
    """Draw a dot for each (x, y, is good).

    Where there are too many, evenly chosen ones are drawn, and always the largest hundred.
    """
    if len(dots) > MOST_DOTS:
        largest = sorted(dots, key=lambda dot: -dot[1])[:100]
        dots = [*dots[:: math.ceil(len(dots) / MOST_DOTS)], *largest]
    frame = frame_of([(x, y) for x, y, _ in dots], None)
    parts = axes(frame, y_label, x_text)
    for x, y, is_good in dots:
        colour = "var(--a)" if is_good else "var(--bad)"
        parts.append(f'<circle cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="1.7" fill="{colour}"/>')
    return svg(parts, title)


def bar_chart(bars: Sequence[tuple[str, float]], *, title: str, value_text: Callable[[float], str]) -> str:
    """Draw horizontal bars with their names and values."""
    row, names = 20, 220
    most = max((value for _, value in bars), default=0.0) or 1.0
    parts: list[str] = []
    for number, (name, value) in enumerate(bars):
        y = number * row
        width = value / most * (WIDTH - names - 100)
        parts.append(f'<text x="{names - 8}" y="{y + 14}" text-anchor="end">{escape(name[:34])}</text>')
        parts.append(f'<rect x="{names}" y="{y + 4}" width="{width:.1f}" height="{row - 7}" fill="var(--a)"/>')
        parts.append(f'<text x="{names + width + 6:.1f}" y="{y + 14}">{escape(value_text(value))}</text>')
    return svg(parts, title, height=max(row, row * len(bars)))


def pair_chart(pairs: Sequence[Pair], *, title: str, x_label: str) -> str:
    """Draw columns of what was found before wider ones of what was expected.

    Args:
        pairs: At least one; names stand below, as many as there is room for.
        title: For those who cannot see it.
        x_label: What the names are.
    """
    frame = frame_of([(0.0, max(pair.expected, pair.found)) for pair in pairs], None)
    step = (WIDTH - LEFT - RIGHT) / len(pairs)
    parts = axes(frame, "share", lambda _: "")
    for number, (name, colour) in enumerate((("expected", "var(--b)"), ("found", "var(--a)"))):
        x = LEFT + 120 + 110 * number
        parts.append(f'<rect x="{x}" y="3" width="10" height="8" fill="{colour}"/>')
        parts.append(f'<text x="{x + 14}" y="10">{name}</text>')
    every = math.ceil(len(pairs) / 20)
    for number, pair in enumerate(pairs):
        left = LEFT + number * step
        for value, share, colour in ((pair.expected, 0.8, "var(--b)"), (pair.found, 0.4, "var(--a)")):
            y, x = frame.y(value), left + step * (1 - share) / 2
            place = f'x="{x:.1f}" y="{y:.1f}" width="{step * share:.1f}" height="{HEIGHT - BOTTOM - y:.1f}"'
            parts.append(f'<rect {place} fill="{colour}"><title>{escape(pair.name)}: {value:.1%}</title></rect>')
        if number % every == 0:
            middle = left + step / 2
            parts.append(
                f'<text x="{middle:.1f}" y="{HEIGHT - 18}" text-anchor="middle">{escape(pair.name[:12])}</text>'
            )
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 3}" text-anchor="end">{escape(x_label)}</text>')
    return svg(parts, title)
