"""Tables: all of the page's width, numbers to the right, wide ones scroll in their own box; bars are tables too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Final, Literal

from imgcls_report.templates import fill

if TYPE_CHECKING:
    from markupsafe import Markup

Tone = Literal["", "good", "bad", "warn", "soft"]
_TEXTS_SIDE_BY_SIDE: Final = 3  # columns of text that a phone cannot hold
_COLUMNS_SIDE_BY_SIDE: Final = 5  # likewise of any kind
_ROWS_IN_SIGHT: Final = 100  # the rest is folded away
_WORDS: Final[dict[Tone, str]] = {"bad": "failed", "warn": "skipped", "good": "passed"}


@dataclass(frozen=True, slots=True)
class Column:
    """The heading of a column.

    Args:
        name: plain text.
        kind: how its cells are set: text; a number to the right, in one line; values to the right, in several lines
            where there is no room; code; bars.
        width: in percent of the table, so that columns of several tables stand below each other; given to all columns
            or to none.
    """

    name: str
    kind: Literal["text", "number", "values", "code", "bars"] = "text"
    width: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell with more than its text.

    Args:
        text: what it says.
        tone: its colour.
        bars: shares of the cell's width, one bar below the other.
    """

    text: str | Markup = ""
    tone: Tone = ""
    bars: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A row that `row_filter` can choose by its tone."""

    cells: Sequence[str | Markup | Cell]
    tone: Tone


def table(
    columns: Sequence[str | Column], rows: Iterable[Sequence[str | Markup | Cell] | Row], *, caption: str = ""
) -> Markup:
    """Lays out a table; rows beyond the hundredth are folded away.

    Where there is no room for three columns of text or five columns at all, each row becomes a block of lines.

    Args:
        columns: headings; a plain one is a column of text.
        rows: their cells; a plain one is text.
        caption: says what the table holds, where the heading above does not.
    """
    headings = [Column(column) if isinstance(column, str) else column for column in columns]
    laid = [row if isinstance(row, Row) else Row(row, "") for row in rows]
    told = [(row.tone, [cell if isinstance(cell, Cell) else Cell(cell) for cell in row.cells]) for row in laid]
    texts = sum(column.kind in {"text", "code"} for column in headings)
    has_bars = any(column.kind == "bars" for column in headings)
    stacks = texts >= _TEXTS_SIDE_BY_SIDE or (len(headings) >= _COLUMNS_SIDE_BY_SIDE and not has_bars)
    common = {"columns": headings, "caption": caption, "stacks": stacks}
    in_sight, folded = told[:_ROWS_IN_SIGHT], told[_ROWS_IN_SIGHT:]
    return fill("table", rows=in_sight, more=fill("table", rows=folded, more="", **common) if folded else "", **common)


def row_filter(counts: dict[Tone, int], words: dict[Tone, str] | None = None) -> Markup:
    """Gives a choice of which rows all tables of the page show, by tone; it works without a script.

    Where rows are bad, these are shown first: they are what the page is opened for.

    Args:
        counts: tone → rows that have it; tones without rows are not offered.
        words: tone → what such rows are called.
    """
    names = _WORDS if words is None else words
    offered = [(tone, names[tone], count) for tone, count in counts.items() if count]
    return fill("row_filter", offered=offered, total=sum(counts.values()))


def bar_chart(
    title: str,
    rows: Sequence[tuple[str, Sequence[float]]],
    *,
    series: Sequence[str] = ("",),
    text: Callable[[float], str] = "{:,.0f}".format,
    name: str = "",
    high: float | None = None,
) -> Markup:
    """Draws horizontal bars with names, as a table: long names wrap, and every figure can be read and copied.

    Args:
        title: what it shows.
        rows: name of each row and its values, one for each of the series.
        series: names of the values; one bar for each.
        text: writes a value; what is no finite number is written as a dash.
        name: heading of the rows' names.
        high: the value whose bar is full; by default the largest.
    """
    most = high or max((value for _, values in rows for value in values if isfinite(value)), default=0.0) or 1.0
    columns = [Column(name), *(Column(one, "number") for one in series), Column("", "bars")]
    cells = [
        (
            row,
            *(text(value) if isfinite(value) else "–" for value in values),
            Cell(bars=tuple(min(max(value / most, 0.0), 1.0) if isfinite(value) else 0.0 for value in values)),
        )
        for row, values in rows
    ]
    legend = [(one, str(number + 1), "box") for number, one in enumerate(series)] if len(series) > 1 else []
    return fill("bar_chart", legend=legend, table=table(columns, cells, caption=title))
