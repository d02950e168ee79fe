"""When a pass is not good enough, and when that is worth an alert."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from msgspec.structs import replace

from imgcls_client.load.samples import percentile
from imgcls_client.monitor.observation import Observation
from imgcls_client.monitor.store import RuleState


@dataclass(frozen=True, slots=True)
class Limits:
    """What the user asks of a pass.

    Attributes:
        max_latency_ms: the 95th percentile of a pass's calls, in milliseconds.
        max_drift: population stability index against the artifact's reference.
        model_sha256: which model must answer; several are all asked for, none takes any.
        signed_by: ids of the keys that must have signed it.
    """

    max_latency_ms: float
    max_drift: float = 0.25
    model_sha256: tuple[str, ...] = ()
    signed_by: tuple[str, ...] = ()


def _is_available(seen: Observation, _: Limits) -> str | None:
    return None if seen.is_available else seen.reason or "no answer"


def _is_ready(seen: Observation, _: Limits) -> str | None:
    return seen.reason or "not ready" if seen.is_available and not seen.is_ready else None


def _calls_answered(seen: Observation, _: Limits) -> str | None:
    failed = seen.failed_calls
    kinds = ", ".join(sorted({str(call.error) for call in failed}))
    return f"{len(failed)} of {len(seen.calls)} calls failed: {kinds}" if failed else None


def _golden_right(seen: Observation, _: Limits) -> str | None:
    worst = max((call.difference or 0.0 for call in seen.wrong), default=0.0)
    if not seen.wrong:
        return None
    return f"{len(seen.wrong)} of {len(seen.golden_calls)} golden cases are wrong, max |Δp| {worst:.2g}"


def _is_fast(seen: Observation, limits: Limits) -> str | None:
    times = seen.times_ms("call")
    slow = percentile(times, 95) if times else 0.0
    return f"p95 {slow:.0f} ms, limit {limits.max_latency_ms:.0f} ms" if slow > limits.max_latency_ms else None


def _is_expected_model(seen: Observation, limits: Limits) -> str | None:
    actual = seen.model_sha256
    if actual is None:
        return None
    found = [
        f"the model is {_shown(actual, expected)}, expected {_shown(expected, actual)}"
        for expected in limits.model_sha256
        if not actual.startswith(expected.lower())
    ]
    found += [f"the model is not signed by {key}" for key in limits.signed_by if key.lower() not in seen.signed_by]
    return "; ".join(found) or None


def _shown(digest: str, other: str) -> str:
    """Cuts a SHA-256 for a line of the terminal, where the two differ within what is left."""
    return f"{digest[:12]}…" if digest[:12] != other[:12] and len(digest) > 12 else digest


def _is_stable(seen: Observation, limits: Limits) -> str | None:
    moved = [
        f"{each.of}: PSI {each.psi or 0.0:.2f} over {each.answers} answers to all callers "
        f"({each.answers_needed} needed), limit {limits.max_drift:g}"
        for each in seen.drift
        if each.status == "drifted"
    ]
    return "; ".join(moved) or None


RULES: dict[str, Callable[[Observation, Limits], str | None]] = {
    "available": _is_available,
    "ready": _is_ready,
    "calls": _calls_answered,
    "golden": _golden_right,
    "latency": _is_fast,
    "model": _is_expected_model,
    "drift": _is_stable,
}


def broken_rules(seen: Observation, limits: Limits) -> dict[str, str]:
    """Gives the rules that a pass breaks, each with what was found."""
    found = {name: rule(seen, limits) for name, rule in RULES.items()}
    return {name: detail for name, detail in found.items() if detail is not None}


@dataclass(frozen=True, slots=True)
class AlertTransition:
    """A rule that just broke for good, or just recovered.

    Attributes:
        since: when the alert went out that has now ended; None for one that begins.
    """

    rule: str
    kind: Literal["broken", "recovered"]
    detail: str
    at: datetime
    since: datetime | None = None


def next_state(
    before: RuleState, detail: str | None, *, at: datetime, alert_after: int
) -> tuple[RuleState, AlertTransition | None]:
    """Takes one pass into account: an alert goes out once when a rule breaks and once when it recovers.

    Args:
        before: how the rule stood.
        detail: what the pass at that time found, or None where it kept the rule.
        at: when the pass was.
        alert_after: how many passes in a row must break a rule before that is worth an alert.
    """
    if detail is None:
        after = RuleState(before.rule)
        if before.alerted_at is None:
            return after, None
        return after, AlertTransition(before.rule, "recovered", before.detail or "", at, before.alerted_at)
    after = replace(before, broken_passes=before.broken_passes + 1, detail=detail)
    if before.alerted_at is not None or after.broken_passes < alert_after:
        return after, None
    return replace(after, alerted_at=at), AlertTransition(before.rule, "broken", detail, at)
