"""A finished load as one HTML page: every call, and the latencies with their tail."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from imgcls_report import (
    Dot,
    Dots,
    Line,
    Tone,
    bar_chart,
    chart,
    figures,
    number_scale,
    page,
    paragraph,
    percentile_scale,
    section,
)

from imgcls_client.load.generator import LoadPlan
from imgcls_client.load.report import SHOWN_PERCENTILES, plan_text
from imgcls_client.load.samples import ANSWERED, Load

if TYPE_CHECKING:
    from markupsafe import Markup

_STEPS: Final = 200


def html_page(load: Load, plan: LoadPlan, url: str, model: str, service: str) -> str:
    """Draws every call over time and the distribution of latencies.

    Args:
        load: what was measured.
        plan: what was asked for.
        url: which deployment.
        model: which answered.
        service: what the deployment says of itself.
    """
    latencies = sorted(sample.latency_ms for sample in load.answered)
    # A percentile that fewer calls lie beyond than one is the slowest call by another name.
    told = [each for each in SHOWN_PERCENTILES if latencies and (each == 100 or len(latencies) * (100 - each) >= 100)]
    names = {percent: "slowest" if percent == 100 else f"p{percent:g}" for percent in told}
    shown = [(name, f"{load.latency_ms(percent):,.1f} ms") for percent, name in names.items()]
    body: list[Markup] = []
    if load.is_limited_by_client:
        body.append(paragraph("The client was the limit: these figures are not the service's.", "bad"))
    failures = len(load.samples) - len(load.answered)
    calls = [("answers a second", f"{load.answers_a_second:,.1f}"), ("calls", f"{len(load.samples):,}")]
    lost: list[tuple[str, str, Tone]] = [("not answered", f"{failures:,}", "bad" if failures else "")]
    body.append(figures([*calls, *lost, *shown]))
    if len(latencies) > 1:
        tail = chart(
            "latency by percentile; each further nine takes the same room",
            [Line("latency", _by_percentile(latencies))],
            x=percentile_scale("share of calls that are faster"),
            y=number_scale("ms"),
        )
        body.append(section("Latency", tail))
    answered = [Dot(each.due_s, each.latency_ms) for each in load.samples if each.outcome == ANSWERED]
    failed = [Dot(each.due_s, each.latency_ms, each.outcome) for each in load.samples if each.outcome != ANSWERED]
    drawn = [dots for dots in (Dots("answered", answered, "1"), Dots("failed", failed, "bad")) if dots.dots]
    seconds = number_scale("s since the load began", is_tight=True)
    if len(load.samples) > 1:
        body.append(
            section("Every call", chart("latency of every call over time", drawn, x=seconds, y=number_scale("ms")))
        )
    if load.errors:
        rows = [(kind, (count,)) for kind, count in load.errors.items()]
        body.append(section("Failures", bar_chart("failed calls by kind", rows, series=("calls",), name="kind")))
    facts = {"load": plan_text(plan), "service": service}
    return page("imgcls bench", url, body, date=datetime.now(UTC), model=model, facts=facts, machine="asked from")


def _by_percentile(latencies: list[float]) -> list[tuple[float, float]]:
    """Gives latencies by percentile, at steps that grow finer towards the slowest call."""
    count = len(latencies)
    places = {min(count - 1, round(count * (1 - 10 ** (-5 * step / _STEPS)))) for step in range(_STEPS + 1)}
    return [(100 * place / count, latencies[place]) for place in sorted(places)]
