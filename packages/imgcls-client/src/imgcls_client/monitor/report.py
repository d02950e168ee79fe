"""The history of a deployment as one self-contained HTML page."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from imgcls_contract import ModelDriftReply
from imgcls_report import (
    Cell,
    Column,
    Line,
    Shade,
    Tone,
    bar_chart,
    chart,
    figures,
    model_words,
    moment_words,
    number_scale,
    page,
    paragraph,
    section,
    table,
    time_scale,
)

from imgcls_client.monitor.drift_report import drift_figure, drift_part
from imgcls_client.monitor.history import Bucket, History, times_of_stage
from imgcls_client.monitor.observation import Stage
from imgcls_client.monitor.summary import headline, outage_rows
from imgcls_client.served import Served

if TYPE_CHECKING:
    from markupsafe import Markup

_MOST_CLASSES: Final = 20
_SERVICE_STAGES: Final[tuple[Stage, ...]] = ("decode", "queue", "inference")


def report_page(history: History, url: str, *, live: ModelDriftReply | None = None) -> str:
    """Draws uptime, latencies, failures, classes and drift, by what the service said last of its answers."""
    models = history.models()
    rows = [(f"{at:%Y-%m-%d %H:%M:%S}", name, sha256) for at, name, sha256 in models]
    shown: list[tuple[str, str, Tone]] = [
        (each.name, each.value, "bad" if each.is_bad else "") for each in headline(history)
    ]
    body = [
        figures([*shown, *drift_figure(history)]),
        *_failure_part(history),
        *_latency_part(history),
        *_class_part(history, live),
        *drift_part(history, live),
        section("Models", table(("first seen (UTC)", "name", Column("sha256", "code")), rows)),
    ]
    if platform := next((seen.platform for seen in reversed(history.passes) if seen.platform), None):
        values = [(name, f"{value:g}") for name, value in platform.items()]
        body.append(section("Platform", table(("figure", Column("value", "number")), values)))
    served = next((seen.served for seen in reversed(history.passes) if seen.served != Served()), Served())
    facts = {
        "watched": _span(history.start, history.end),
        "passes": f"{len(history.passes):,}",
        "service": served.words,
    }
    verdict: tuple[str, Tone] = ("healthy", "good") if history.is_healthy else ("failing", "bad")
    return page(
        "imgcls monitor",
        url,
        body,
        date=datetime.now(UTC),
        model=model_words(*models[-1][1:], served.precision) if models else "unknown",
        facts=facts,
        machine="asked from",
        verdict=verdict,
    )


def _span(start: datetime, end: datetime) -> str:
    """Writes two moments, the day once where it is one."""
    first, last = moment_words(start), moment_words(end)
    day = first.partition(" ")[0]
    return f"{first.removesuffix(' UTC')} to {last.removeprefix(f'{day} ')}"


def _over_time(buckets: list[Bucket], values: list[float | None]) -> list[tuple[float, float | None]]:
    """Puts values on the time axis, with breaks where nobody was watching."""
    points: list[tuple[float, float | None]] = []
    for bucket, value in zip(buckets, values, strict=True):
        if bucket.is_break:
            points.append((bucket.at.timestamp(), None))
        points.append((bucket.at.timestamp(), value))
    return points


def _latency_part(history: History) -> list[Markup]:
    """Draws latencies over time, outages shaded."""
    buckets = history.buckets()
    spans = [(each.start.timestamp(), (each.end or history.end).timestamp()) for each in history.outages()]

    def percentiles(percent: float, stage: Stage) -> list[tuple[float, float | None]]:
        return _over_time(buckets, [bucket.percentile_ms(percent, stage) for bucket in buckets])

    # Of few calls a high percentile is the slowest one by another name.
    fewest = min((len(times) for bucket in buckets if (times := times_of_stage(bucket.passes, "call"))), default=0)
    told = [each for each in (50.0, 95.0, 99.0) if fewest * (100 - each) >= 100] or [50.0]
    whole = [Line(f"p{percent:g}", percentiles(percent, "call")) for percent in told]
    whole += [Line("slowest", percentiles(100, "call"))] if told[-1] < 99 else []
    stages = [Line(stage, percentiles(50, stage)) for stage in _SERVICE_STAGES]
    shares = [sum(seen.is_ready for seen in bucket.passes) / len(bucket.passes) for bucket in buckets]
    ready = Line("ready", _over_time(buckets, [*shares]))
    ms, share = number_scale("ms"), number_scale("share of passes", high=1.0, text="{:.0%}".format)
    return [
        section(heading, chart(title, [Shade("outage", spans), *curves], x=time_scale(), y=y, has_caption=False))
        for heading, title, curves, y in (
            ("What callers wait", "latency over time", whole, ms),
            ("Where the service spends it (median)", "stages over time", stages, ms),
            *([("Readiness", "readiness", [ready], share)] if min(shares) < 1 else []),
        )
    ]


def _failure_part(history: History) -> list[Markup]:
    """Lists outages and failures by kind."""
    errors = history.errors()
    alerts = [
        (each.rule, f"{each.alerted_at:%Y-%m-%d %H:%M:%S}", Cell(each.detail or "", "bad"))
        for each in history.open_alerts
    ]
    opened = [section("Open alerts", table(("rule", "since (UTC)", "found"), alerts))] if alerts else []
    if not errors and not history.outages():
        return [*opened, section("Failures", paragraph("None.", "good"))]
    kinds = [(kind, (count,)) for kind, count in errors.most_common()]
    listed = table(("from (UTC)", "until", Column("length", "number"), "first reason"), outage_rows(history))
    return [
        *opened,
        section("Failures", listed, bar_chart("failures by kind", kinds, series=("failures",), name="kind")),
    ]


def _class_part(history: History, live: ModelDriftReply | None) -> list[Markup]:
    """Draws the answered classes: those of all callers where the service counts any, else of the monitor's images."""
    has_callers = live is not None and live.window.answers > 0
    counts = Counter(dict(enumerate(live.window.classes))) if live and has_callers else history.classes()
    if not (total := counts.total()):
        return []
    labels, seen = history.labels(), sum(count > 0 for count in counts.values())
    title = "share of the answers" + (f", the {_MOST_CLASSES} most frequent classes" if seen > _MOST_CLASSES else "")
    bars = [
        (f"{each} {labels.get(each, '')}", (count / total,))
        for each, count in counts.most_common(_MOST_CLASSES)
        if count
    ]
    values = [
        ("answers", f"{total:,}"),
        ("classes", f"{seen:,}"),
    ]
    whose = "to all callers" if has_callers else "to the monitor's own images"
    drawn = bar_chart(title, bars, series=("share",), name="class", text="{:.1%}".format)
    return [section(f"Classes answered {whose}", figures(values), drawn)]
