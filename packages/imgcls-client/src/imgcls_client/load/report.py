"""A finished load as text, and beside an earlier one."""

from __future__ import annotations

from imgcls_cli.width import fit_parts

from imgcls_client.load.generator import LoadPlan
from imgcls_client.load.samples import Load, LoadFigures
from imgcls_client.load.sweep import SweepPoint

SHOWN_PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9, 100.0)


def plan_text(plan: LoadPlan) -> str:
    """Says in words what load was put on."""
    length = (
        f"{plan.duration_s:g} s"
        if plan.calls is None
        else f"{_counted(plan.calls, 'call')} in at most {plan.duration_s:g} s"
    )
    if plan.rate is None:
        return f"closed loop, {_counted(plan.concurrency, 'caller')}, {length}"
    return f"open loop, {plan.rate:g} calls a second, at most {plan.concurrency} under way, {length}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' if count != 1 else ''}"


def text_report(load: Load, plan: LoadPlan) -> str:
    """Lays the figures out for reading."""
    lines = [
        plan_text(plan),
        f"{len(load.samples)} calls, {len(load.answered)} answered: {load.answers_a_second:.1f} answers a second",
    ]
    if load.answered:
        values = [f"p{percent:g} {load.latency_ms(percent):.1f}" for percent in SHOWN_PERCENTILES[:-1]]
        lines.append(fit_parts(["latency in ms:", *values, f"max {load.latency_ms(100):.1f}"]))
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


def sweep_header(price: float | None) -> str:
    """Names the columns of `sweep_row`."""
    cost = "" if price is None else f"{'$ a million':>13}"
    return f"{'threads':>7}{'batch':>7}{'callers':>9}{'answers/s':>11}{'p50 ms':>9}{'p99 ms':>9}{cost}  notes"


def sweep_row(point: SweepPoint, price: float | None) -> str:
    """Gives one load of a sweep as a row."""
    threads, batch = (point.settings.get(name, "–") for name in ("IMGCLS_THREADS", "IMGCLS_MAX_BATCH"))
    cost = "" if price is None else f"{point.million_cost(price):>13.3f}"
    notes = [f"{count} × {kind}" for kind, count in point.load.errors.items()]
    notes += ["this client is the limit"] if point.load.is_limited_by_client else []
    figures = f"{point.load.answers_a_second:>11.1f}{point.load.latency_ms(50) or 0:>9.1f}{point.p99_ms:>9.1f}"
    return f"{threads:>7}{batch:>7}{point.callers:>9}{figures}{cost}  {', '.join(notes)}".rstrip()


def sweep_advice(best: SweepPoint | None, price: float | None) -> str:
    """Says which setting the loads speak for."""
    if best is None:
        return "No setting answered every call in time: give it more room (--max-p99), or a faster machine."
    settings = " ".join(f"{name}={value}" for name, value in best.settings.items())
    cost = "" if price is None else f", {best.million_cost(price):.3f} for a million images at {price:g} an hour"
    measured = f"{best.load.answers_a_second:.1f} answers a second, p99 {best.p99_ms:.1f} ms{cost}"
    return f"Recommended: {settings or 'as it is set'}, {best.callers} callers at once: {measured}"
