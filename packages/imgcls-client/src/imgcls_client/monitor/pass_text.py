"""A pass as a line for reading and as a JSON object."""

from __future__ import annotations

from imgcls_client.load.samples import percentile
from imgcls_client.monitor.alerts import turn_text
from imgcls_client.monitor.drift import drift_text
from imgcls_client.monitor.exports import figures_of
from imgcls_client.monitor.watch import Pass


def pass_line(made: Pass) -> str:
    """Says in one line what a pass saw."""
    seen = made.seen
    parts = [f"{seen.at:%Y-%m-%d %H:%M:%S}", "ok    " if not made.broken else "BROKEN"]
    golden = seen.golden_calls
    if golden:
        right = len(golden) - len(seen.wrong)
        worst = max(call.difference or 0.0 for call in golden)
        parts.append(f"golden {right}/{len(golden)} max |Δp| {worst:.1g}")
    times = [call.call_ms for call in seen.calls if call.call_ms is not None]
    if times:
        parts.append(f"p50/p95 {percentile(times, 50):.0f}/{percentile(times, 95):.0f} ms")
    if seen.drift:
        parts.append(drift_text(seen.drift))
    if seen.model_sha256 is not None:
        parts.append(f"{seen.model_name} {seen.model_sha256[:12]}")
    parts += [f"{rule}: {detail}" for rule, detail in made.broken.items()]
    lines = ["  ".join(parts)]
    lines += [f"{seen.at:%Y-%m-%d %H:%M:%S}  ALERT   {turn_text(turn, seen.url)}" for turn in made.turns]
    return "\n".join(lines)


def pass_document(made: Pass) -> dict[str, object]:
    """Gives a pass as a JSON object."""
    seen = made.seen
    return {
        "at": seen.at.isoformat(timespec="milliseconds"),
        "url": seen.url,
        "ok": not made.broken,
        "broken": made.broken,
        "reason": seen.reason,
        "model": None if seen.model_sha256 is None else {"name": seen.model_name, "sha256": seen.model_sha256},
        "provider": seen.provider,
        "figures": figures_of(seen),
        "alerts": [{"rule": turn.rule, "state": turn.kind, "detail": turn.detail} for turn in made.turns],
        "platform": made.platform,
    }
