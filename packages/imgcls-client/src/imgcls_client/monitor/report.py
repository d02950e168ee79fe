"""The history of a deployment as one self-contained HTML page."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from html import escape

from imgcls_contract import ModelDriftReply

from imgcls_client.charts import Series, bar_chart, line_chart
from imgcls_client.html_page import figures, page, table
from imgcls_client.monitor.drift_report import drift_part
from imgcls_client.monitor.history import Bucket, History
from imgcls_client.monitor.observation import Stage

__all__ = ["length_text", "report_page"]

MOST_CLASSES = 20
SERVICE_STAGES: tuple[Stage, ...] = ("decode", "queue", "inference")


def report_page(
    history: History,
    url: str,
    *,
    platform: dict[str, float] | None = None,
    live: ModelDriftReply | None = None,
) -> str:
    """Draw uptime, latencies, failures, classes and drift.

    Args:
        history: The passes.
        url: Which deployment.
        platform: Latest figures of the platform.
        live: What the service said last of its answers.
    """
    body = [*head(history, url), *latency_part(history), *failure_part(history), *class_part(history, live)]
    body += drift_part(history, live, x_text=time_text(history))
    rows = [(f"{at:%Y-%m-%d %H:%M:%S}", name, sha256) for at, name, sha256 in history.models()]
    body += ["<h2>Models</h2>", table(("first seen (UTC)", "name", "sha256"), rows)]
    if platform:
        rows = [(name, (f"{value:g}", "number")) for name, value in platform.items()]
        body += ["<h2>Platform</h2>", table(("figure", "value"), rows)]
    return page(f"imgcls monitor: {url}", body)


def head(history: History, url: str) -> list[str]:
    """Say the most important things first."""
    state = '<span class="good">healthy</span>' if history.is_healthy else '<span class="bad">failing</span>'
    calls = history.times_ms("call")
    good = history.last_good
    age = "never" if good is None else f"{length_text((datetime.now(UTC) - good).total_seconds())} ago"
    values = [
        ("passes", str(len(history.passes))),
        ("available", f"{history.share(lambda seen: seen.is_available):.2%}"),
        ("ready", f"{history.share(lambda seen: seen.is_ready):.2%}"),
        ("last good pass", age),
    ]
    golden = [seen for seen in history.passes if seen.is_golden_right is not None]
    if golden:
        values.append(
            ("golden answers right", f"{sum(seen.is_golden_right is True for seen in golden) / len(golden):.2%}")
        )
    if calls:
        values.append(("a call takes (median)", f"{sorted(calls)[len(calls) // 2]:.0f} ms"))
    span = f"{history.start:%Y-%m-%d %H:%M:%S} to {history.end:%Y-%m-%d %H:%M:%S} UTC"
    return [f"<h1>{state}</h1>", f'<p class="soft"><code>{escape(url)}</code> · {span}</p>', figures(values)]


def clock(history: History) -> str:
    """Choose how times are written: the day only where there are several."""
    return "%H:%M:%S" if history.start.date() == history.end.date() else "%d %b %H:%M"


def time_text(history: History) -> Callable[[float], str]:
    """Give the writer of the time axis."""
    form = clock(history)
    return lambda at_s: datetime.fromtimestamp(at_s, UTC).strftime(form)


def over_time(buckets: list[Bucket], values: list[float | None]) -> list[tuple[float, float | None]]:
    """Put values on the time axis, with breaks where nobody was watching."""
    points: list[tuple[float, float | None]] = []
    for bucket, value in zip(buckets, values, strict=True):
        if bucket.is_break:
            points.append((bucket.at.timestamp(), None))
        points.append((bucket.at.timestamp(), value))
    return points


def latency_part(history: History) -> list[str]:
    """Draw latencies over time, outages shaded."""
    buckets, text = history.buckets(), time_text(history)
    gaps = [(each.start.timestamp(), (each.end or history.end).timestamp()) for each in history.outages()]

    whole = [
        Series(f"p{percent:g}", over_time(buckets, [bucket.percentile_ms(percent, "call") for bucket in buckets]))
        for percent in (50, 95, 99)
    ]
    stages = [
        Series(stage, over_time(buckets, [bucket.percentile_ms(50, stage) for bucket in buckets]))
        for stage in SERVICE_STAGES
    ]
    ready = over_time(
        buckets, [sum(seen.is_ready for seen in bucket.passes) / len(bucket.passes) for bucket in buckets]
    )
    return [
        "<h2>What callers wait</h2>",
        line_chart(whole, title="latency over time", y_label="ms", x_text=text, gaps=gaps),
        "<h2>Where the service spends it (median)</h2>",
        line_chart(stages, title="stages over time", y_label="ms", x_text=text, gaps=gaps),
        "<h2>Readiness</h2>",
        line_chart([Series("ready", ready)], title="readiness", y_label="share", x_text=text, gaps=gaps, y_high=1.0),
    ]


def failure_part(history: History) -> list[str]:
    """List outages and failures by kind."""
    outages = history.outages()
    alerts = [
        (each.rule, f"{each.alerted_at:%Y-%m-%d %H:%M:%S}", (each.detail or "", "bad")) for each in history.open_alerts
    ]
    opened = ["<h2>Open alerts</h2>", table(("rule", "since (UTC)", "found"), alerts)] if alerts else []
    if not outages and not history.errors():
        return [*opened, "<h2>Failures</h2>", '<p class="good">None.</p>']
    rows = [
        (
            f"{each.start:%Y-%m-%d %H:%M:%S}",
            "lasts" if each.end is None else f"{each.end:%Y-%m-%d %H:%M:%S}",
            (length_text(each.length_s(history.end)), "number"),
            each.reason,
        )
        for each in outages
    ]
    kinds = [(kind, float(count)) for kind, count in history.errors().most_common()]
    return [
        *opened,
        "<h2>Failures</h2>",
        table(("from (UTC)", "until", "length", "first reason"), rows),
        bar_chart(kinds, title="failures by kind", value_text=lambda value: f"{value:.0f}"),
    ]


def class_part(history: History, live: ModelDriftReply | None) -> list[str]:
    """Draw the answered classes: those of all callers where the service counts any, else of the monitor's images."""
    has_callers = live is not None and live.window.answers > 0
    counts = Counter(dict(enumerate(live.window.classes))) if live and has_callers else history.classes()
    if not (total := counts.total()):
        return []
    labels = history.labels()
    ((often, times),) = counts.most_common(1)
    bars = [
        (f"{each} {labels.get(each, '')}", count / total) for each, count in counts.most_common(MOST_CLASSES) if count
    ]
    values = [
        ("answers", str(total)),
        ("classes", str(sum(count > 0 for count in counts.values()))),
        ("mean class id", f"{sum(each * count for each, count in counts.items()) / total:.1f}"),
        ("most frequent class", f"{often} {labels.get(often, '')} ({times / total:.1%})"),
    ]
    whose = "to all callers" if has_callers else "to the monitor's own images"
    return [
        f"<h2>Classes answered {whose}</h2>",
        figures(values),
        bar_chart(bars, title="class distribution", value_text=lambda value: f"{value:.1%}"),
    ]


def length_text(seconds: float) -> str:
    """Write a length of time."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
