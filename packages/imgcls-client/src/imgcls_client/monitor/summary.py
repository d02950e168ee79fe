"""The history of a deployment as Markdown, for the summary of a GitHub job."""

from __future__ import annotations

from imgcls_client.load.samples import percentile
from imgcls_client.monitor.drift import drift_text
from imgcls_client.monitor.history import History
from imgcls_client.monitor.report import length_text


def markdown_summary(history: History, url: str) -> str:
    """Writes the state, the time that a call takes, and what failed."""
    model = history.models()[-1:]
    lines = [
        f"## {'✅ healthy' if history.is_healthy else '❌ failing'}: {url}",
        "",
        "| | |",
        "|---|---|",
        f"| passes | {len(history.passes)}, {history.start:%Y-%m-%d %H:%M} to {history.end:%Y-%m-%d %H:%M} UTC |",
        f"| available | {history.share(lambda seen: seen.is_available):.2%} |",
        f"| ready | {history.share(lambda seen: seen.is_ready):.2%} |",
    ]
    last = history.passes[-1]
    if last.golden_calls:
        right = len(last.golden_calls) - len(last.wrong)
        lines.append(f"| golden answers of the last pass | {right} of {len(last.golden_calls)} as from PyTorch |")
    times = history.times_ms("call")
    if times:
        p50, p95, p99 = (percentile(times, percent) for percent in (50, 95, 99))
        lines.append(
            f"| **a call takes** | **{p50:.0f} ms** (p95 {p95:.0f} ms, p99 {p99:.0f} ms, {len(times)} calls) |"
        )
    if last.drift:
        lines.append(f"| drift of the last pass | {drift_text(last.drift)} |")
    lines += [f"| open alert | `{each.rule}`: {_one_cell(each.detail or '')} |" for each in history.open_alerts]
    lines += [f"| model | {name} `{sha256[:12]}` |" for _, name, sha256 in model]
    outages = history.outages()
    if outages:
        lines += ["", "| from (UTC) | until | length | first reason |", "|---|---|---|---|"]
        lines += [
            f"| {each.start:%Y-%m-%d %H:%M:%S} | {'lasts' if each.end is None else f'{each.end:%Y-%m-%d %H:%M:%S}'} "
            f"| {length_text(each.length_s(history.end))} | {_one_cell(each.reason)} |"
            for each in outages[-10:]
        ]
    return "\n".join(lines) + "\n"


def _one_cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
