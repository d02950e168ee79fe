"""The frame of every report: title, verdict, facts, then the parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from imgcls_report.templates import fill_page

if TYPE_CHECKING:
    from markupsafe import Markup

    from imgcls_report.tables import Tone


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
