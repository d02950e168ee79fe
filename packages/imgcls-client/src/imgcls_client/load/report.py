"""A finished load as text, and beside an earlier one."""

from __future__ import annotations

from imgcls_client.load.generator import LoadPlan
from imgcls_client.load.samples import Load, LoadFigures

SHOWN_PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9, 100.0)


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
        values = [f"p{percent:g} {load.latency_ms(percent):.1f}" for percent in SHOWN_PERCENTILES[:-1]]
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
