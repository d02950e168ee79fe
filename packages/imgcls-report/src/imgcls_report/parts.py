"""Small parts of a page: sections, paragraphs, lists, large figures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from imgcls_report.templates import fill

if TYPE_CHECKING:
    from markupsafe import Markup

    from imgcls_report.tables import Tone


def section(heading: str, *parts: Markup, note: str = "", level: int = 2) -> Markup:
    """Puts parts under a heading.

    Args:
        heading: plain text.
        parts: in order; empty ones take no room.
        note: small text behind the heading.
        level: 2 for the page's sections, 3 within one.
    """
    return fill("section", heading=heading, parts=[part for part in parts if part], note=note, level=level)


def paragraph(text: str | Markup, tone: Tone = "") -> Markup:
    """Gives one paragraph."""
    return fill("paragraph", text=text, tone=tone)


def code(text: str) -> Markup:
    """Gives text as code: a path, an address, a hash."""
    return fill("code", text=text)


def lines(texts: Iterable[str | Markup]) -> Markup:
    """Gives texts with a line break between them."""
    return fill("lines", texts=list(texts))


def bullets(texts: Iterable[str | Markup]) -> Markup:
    """Gives a list."""
    return fill("bullets", texts=list(texts))


def figures(values: Iterable[tuple[str, str] | tuple[str, str, Tone]]) -> Markup:
    """Gives the figures that matter most in large type.

    Args:
        values: what it is, the figure, and its tone where it has one.
    """
    return fill("figures", values=[(*value, "")[:3] for value in values])


def details(summary: str, part: Markup) -> Markup:
    """Folds a part away under its summary."""
    return fill("details", summary=summary, part=part)


def side_by_side(parts: Iterable[Markup]) -> Markup:
    """Puts parts beside each other where there is room."""
    return fill("side_by_side", parts=[part for part in parts if part])
