"""When a pass is not good enough, and when that is worth an alert."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from imgcls_client.load.samples import percentile
from imgcls_client.monitor.drift import drift_index, expected_noise
from imgcls_client.monitor.live import Drift
from imgcls_client.monitor.observation import Observation, class_counts
from imgcls_client.monitor.store import RuleState

__all__ = ["RULES", "Limits", "Turn", "broken_rules", "next_state"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the user asks of a pass.

    Attributes:
        max_latency_ms: The 95th percentile of a pass's calls, in milliseconds.
        max_drift: Population stability index against a reference.
        model_sha256: Which model must answer; None takes any.
        reference: Class shares or counts to compare with instead of the artifact's own.
        traffic: Recent answers to other callers; where there are none the monitor's own pictures are judged.
    """

    max_latency_ms: float
    max_drift: float = 0.25
    model_sha256: str | None = None
    reference: dict[int, float] | None = None
    traffic: Mapping[int, float] = field(default_factory=dict[int, float])


def is_available(seen: Observation, _: Limits) -> str | None:
    """The process answers."""
    return None if seen.is_available else seen.reason or "no answer"


def is_ready(seen: Observation, _: Limits) -> str | None:
    """The service takes work."""
    return seen.reason or "not ready" if seen.is_available and not seen.is_ready else None


def calls_answered(seen: Observation, _: Limits) -> str | None:
    """Every call of the pass is answered."""
    failed = seen.failed_calls
    kinds = ", ".join(sorted({str(call.error) for call in failed}))
    return f"{len(failed)} of {len(seen.calls)} calls failed: {kinds}" if failed else None


def golden_right(seen: Observation, _: Limits) -> str | None:
    """Golden cases are answered as PyTorch did."""
    worst = max((call.difference or 0.0 for call in seen.wrong), default=0.0)
    if not seen.wrong:
        return None
    return f"{len(seen.wrong)} of {len(seen.golden_calls)} golden cases are wrong, max |Δp| {worst:.2g}"


def is_fast(seen: Observation, limits: Limits) -> str | None:
    """Calls are fast enough."""
    times = [call.call_ms for call in seen.calls if call.call_ms is not None]
    slow = percentile(times, 95) if times else 0.0
    return f"p95 {slow:.0f} ms, limit {limits.max_latency_ms:.0f} ms" if slow > limits.max_latency_ms else None


def is_expected_model(seen: Observation, limits: Limits) -> str | None:
    """The expected model answers."""
    wanted, found = limits.model_sha256, seen.model_sha256
    if wanted is None or found is None or found.startswith(wanted.lower()):
        return None
    return f"the model is {found[:12]}…, expected {wanted[:12]}…"


def is_stable(seen: Observation, limits: Limits) -> str | None:
    """The distributions of the answers are the reference's."""
    moved = [each for each in seen.drift if limits.reference is None or each.of != "classes"]
    found = [classes_moved(seen, limits), *(has_moved(each, limits.max_drift) for each in moved)]
    return "; ".join(detail for detail in found if detail is not None) or None


def has_moved(drift: Drift, limit: float) -> str | None:
    """Judge one distribution against the artifact's reference, once there are enough answers."""
    if not drift.is_judged or (drift.psi or 0.0) <= limit:
        return None
    return (
        f"{drift.of}: PSI {drift.psi:.2f} over {drift.answers} answers to all callers "
        f"({drift.answers_needed} needed), limit {limit:g}"
    )


def classes_moved(seen: Observation, limits: Limits) -> str | None:
    """Judge the classes against shares that the user named."""
    counts: Mapping[int, float] = limits.traffic or class_counts([seen])
    if limits.reference is None or not counts:
        return None
    index = drift_index(counts, limits.reference)
    noise = expected_noise(counts, limits.reference)
    if index <= limits.max_drift + noise:
        return None
    whose = "answers to all callers" if limits.traffic else "answers to the monitor"
    return (
        f"PSI {index:.2f} over {sum(counts.values()):.0f} {whose}, limit {limits.max_drift:g} + {noise:.2f} for chance"
    )


RULES: dict[str, Callable[[Observation, Limits], str | None]] = {
    "available": is_available,
    "ready": is_ready,
    "calls": calls_answered,
    "golden": golden_right,
    "latency": is_fast,
    "model": is_expected_model,
    "drift": is_stable,
}


def broken_rules(seen: Observation, limits: Limits) -> dict[str, str]:
    """Give the rules that a pass breaks, each with what was found."""
    found = {name: rule(seen, limits) for name, rule in RULES.items()}
    return {name: detail for name, detail in found.items() if detail is not None}


@dataclass(frozen=True, slots=True)
class Turn:
    """A rule that just broke for good, or just recovered.

    Attributes:
        since: When the alert went out that has now ended; None for one that begins.
    """

    rule: str
    kind: Literal["broken", "recovered"]
    detail: str
    at: datetime
    since: datetime | None = None


def next_state(
    before: RuleState, detail: str | None, *, at: datetime, alert_after: int
) -> tuple[RuleState, Turn | None]:
    """Take one pass into account: an alert goes out once when a rule breaks and once when it recovers.

    Args:
        before: How the rule stood.
        detail: What the pass found, or None where it kept the rule.
        at: When the pass was.
        alert_after: How many passes in a row must break a rule before that is worth an alert.
    """
    if detail is None:
        after = RuleState(before.rule)
        if before.alerted_at is None:
            return after, None
        return after, Turn(before.rule, "recovered", before.detail or "", at, before.alerted_at)
    after = replace(before, broken_passes=before.broken_passes + 1, detail=detail)
    if before.alerted_at is not None or after.broken_passes < alert_after:
        return after, None
    return replace(after, alerted_at=at), Turn(before.rule, "broken", detail, at)
