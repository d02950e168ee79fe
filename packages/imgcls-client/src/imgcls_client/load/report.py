"""A finished load as text, as JSON for comparison, and as one HTML page with its latencies."""

from __future__ import annotations

from html import escape

from imgcls_client.charts import Series, dot_chart, line_chart
from imgcls_client.html_page import figures, page, table
from imgcls_client.load.generator import LoadPlan
from imgcls_client.load.samples import ANSWERED, Load, LoadFigures, percentile

_SHOWN_PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9, 100.0)


def plan_text(plan: LoadPlan) -> str:
    """Says in words what load was put on."""
    length = f"{plan.duration_s:g} s" if plan.calls is None else f"{plan.calls} calls in at most {plan.duration_s:g} s"
    if plan.rate is None:
        return f"closed loop, {plan.concurrency} callers, {length}"
    return f"open loop, {plan.rate:g} calls a second, at most {plan.concurrency} under way, {length}"


def text_report(load: Load, plan: LoadPlan) -> str:
    """Lays the figures out for reading."""
    lines = [
        plan_text(plan),
        f"{len(load.samples)} calls, {len(load.answered)} answered: {load.answers_a_second:.1f} answers a second",
    ]
    if load.answered:
        values = [f"p{percent:g} {load.latency_ms(percent):.1f}" for percent in _SHOWN_PERCENTILES[:-1]]
        lines.append(f"latency in ms: {', '.join(values)}, max {load.latency_ms(100):.1f}")
    if plan.rate is not None:
        lines.append("latency counts from when a call was due, so a stall is charged for every call that it held up")
    lines += [f"failed: {count} × {kind}" for kind, count in load.errors.items()]
    if load.is_limited_by_client:
        lines.append(
            f"WARNING: this client is the limit ({load.client_share:.0%} of a core, calls {load.late_ms:.0f} ms late); "
            "the figures are not the service's. Use a faster machine or less load."
        )
    return "\n".join(lines)


def comparison(now: LoadFigures, before: LoadFigures) -> str:
    """Sets a run's figures against an earlier run's."""
    rows = [("answers_a_second", before.answers_a_second, now.answers_a_second)]
    rows += [
        (f"latency {name}", before.latency_ms[name], value)
        for name, value in now.latency_ms.items()
        if name in before.latency_ms
    ]
    return "\n".join(f"{name:<18} {then:>10.2f} → {new:>10.2f}   {_change(then, new)}" for name, then, new in rows)


def _change(then: float, new: float) -> str:
    return f"{new / then - 1:+.1%}" if then else "new"


def html_page(load: Load, plan: LoadPlan, url: str) -> str:
    """Draws every call over time and the distribution of latencies."""
    dots = [(sample.due_s, sample.latency_ms, sample.outcome == ANSWERED) for sample in load.samples]
    latencies = [sample.latency_ms for sample in load.answered]
    steps = [(percent, percentile(latencies, percent)) for percent in (*range(1, 100), 99.5, 99.9)] if latencies else []
    names = {percent: "max" if percent == 100 else f"p{percent:g}" for percent in _SHOWN_PERCENTILES}
    shown = [(name, f"{percentile(latencies, percent):.1f} ms") for percent, name in names.items() if latencies]
    body = [
        f'<h1>Load test</h1><p class="soft"><code>{escape(url)}</code> · {escape(plan_text(plan))}</p>',
        figures([("answers a second", f"{load.answers_a_second:.1f}"), ("calls", str(len(load.samples))), *shown]),
        "<h2>Every call</h2>",
        dot_chart(dots, title="latency of every call over time", y_label="ms", x_text=lambda value: f"{value:.1f} s"),
        "<h2>Latency by percentile</h2>",
        line_chart(
            [Series("latency", steps)],
            title="latency by percentile",
            y_label="ms",
            x_text=lambda value: f"p{value:.3g}",
        ),
    ]
    if load.errors:
        rows = [(kind, (str(count), "number")) for kind, count in load.errors.items()]
        body += ["<h2>Failures</h2>", table(("kind", "calls"), rows)]
    if load.is_limited_by_client:
        body.insert(1, '<p class="bad">The client was the limit: these figures are not the service\'s.</p>')
    return page(f"Load test of {url}", body)
