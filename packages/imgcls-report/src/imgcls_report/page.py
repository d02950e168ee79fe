"""The frames: of a report, with title, verdict, facts and parts, and of charts that are a file of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from imgcls_report.origin import machine_words, moment_words, version_words
from imgcls_report.templates import fill, fill_page

if TYPE_CHECKING:
    from datetime import datetime

    from imgcls_report.tables import Tone

# In a file of its own every drawing says which namespace it is of; in a page none needs to.
_NAMED: Final = Markup('<svg xmlns="http://www.w3.org/2000/svg" ')
_CHART_PX: Final = 370  # the height of one, with caption, legend and margins


def page(
    kind: str,
    title: str,
    body: Iterable[Markup],
    *,
    date: datetime | str,
    model: str = "",
    facts: Mapping[str, str | Markup] | None = None,
    machine: str = "machine",
    verdict: tuple[str, Tone] | None = None,
) -> str:
    """Writes a document that needs nothing else: no script, no font, no address outside it.

    Under its title stand date and model, then the facts, and last this machine and its versions.

    Args:
        kind: what sort of report it is, such as "imgcls suite".
        title: what it is about.
        body: the parts, in order.
        date: when what it tells of was found; a text is ISO 8601.
        model: from `model_words`; "" where it is about none.
        facts: name → value, what else identifies it; empty values are left out.
        machine: what this machine is called, where it could be taken for another.
        verdict: a word and its tone, shown beside the title.
    """
    told = {
        "date": moment_words(date),
        "model": model,
        **(facts or {}),
        machine: machine_words(),
        "versions": version_words(),
    }
    shown = {name: value for name, value in told.items() if value}
    return fill_page(kind=kind, title=title, verdict=verdict, facts=shown, body=list(body))


def drawing(title: str, charts: Sequence[Markup]) -> str:
    """Writes charts one below the other as an SVG file for documents that show images; browsers show it.

    Args:
        title: for those who cannot see it.
        charts: from `chart`.
    """
    parts = [chart.replace(Markup("<svg "), _NAMED) for chart in charts]
    return str(fill("drawing", title=title, charts=parts, height_px=_CHART_PX * len(parts)))
