"""The frames: of a report, with title, verdict, facts and parts, and of charts that are a file of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from imgcls_report.templates import fill, fill_page

if TYPE_CHECKING:
    from imgcls_report.tables import Tone

# In a file of its own every drawing says which namespace it is of; in a page none needs to.
_NAMED: Final = Markup('<svg xmlns="http://www.w3.org/2000/svg" ')
_CHART_PX: Final = 370  # the height of one, with caption, legend and margins


def page(
    kind: str,
    title: str,
    body: Iterable[Markup],
    *,
    facts: Mapping[str, str | Markup],
    verdict: tuple[str, Tone] | None = None,
) -> str:
    """Writes a document that needs nothing else: no script, no font, no address outside it.

    Args:
        kind: what sort of report it is, such as "imgcls suite".
        title: what it is about.
        body: the parts, in order.
        facts: name → value: date, model, machine, versions and what else identifies it; empty values are left out.
        verdict: a word and its tone, shown beside the title.
    """
    shown = {name: value for name, value in facts.items() if value}
    return fill_page(kind=kind, title=title, verdict=verdict, facts=shown, body=list(body))


def drawing(title: str, charts: Sequence[Markup]) -> str:
    """Writes charts one below the other as an SVG file for documents that show images; browsers show it.

    Args:
        title: for those who cannot see it.
        charts: from `chart`.
    """
    parts = [chart.replace(Markup("<svg "), _NAMED) for chart in charts]
    return str(fill("drawing", title=title, charts=parts, height_px=_CHART_PX * len(parts)))
