"""The history of a deployment in words: the figures that matter most, and Markdown for the summary of a GitHub job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from imgcls_client.load.samples import percentile
from imgcls_client.monitor.drift import drift_text
from imgcls_client.monitor.history import History


@dataclass(frozen=True, slots=True)
class Headline:
    """A figure that somebody may have to act on, and whether it is one to act on now."""

    name: str
    value: str
    is_bad: bool = False


def headline(history: History) -> list[Headline]:
    """Gives the most important figures: what somebody would have to act on."""
    good, outages = history.last_good, history.outages()
    ago = "never" if good is None else f"{_length((datetime.now(UTC) - good).total_seconds())} ago"
    down_s = sum(((each.end or history.end) - each.start).total_seconds() for each in outages)
    values = [
        Headline("last good pass", ago, good != history.end),
        Headline("outages", f"{len(outages):,} ({_length(down_s)})" if outages else "none", bool(outages)),
        *(
            Headline(name, f"{share:.2%}", share < 1)
            for name, share in (
                ("available", history.share(lambda seen: seen.is_available)),
                ("ready", history.share(lambda seen: seen.is_ready)),
            )
        ),
    ]
    if judged := [seen.is_golden_right for seen in history.passes if seen.is_golden_right is not None]:
        values.append(Headline("golden answers right", f"{sum(judged) / len(judged):.2%}", not all(judged)))
    if calls := history.times_ms("call"):
        values += [Headline(f"a call takes (p{each})", f"{percentile(calls, each):,.0f} ms") for each in (50, 95)]
    return values


def outage_rows(history: History) -> list[tuple[str, str, str, str]]:
    """Gives each outage as a row: from, until, length, first reason."""
    return [
        (
            f"{each.start:%Y-%m-%d %H:%M:%S}",
            "lasts" if each.end is None else f"{each.end:%Y-%m-%d %H:%M:%S}",
            _length(((each.end or history.end) - each.start).total_seconds()),
            each.reason,
        )
        for each in history.outages()
    ]


def markdown_summary(history: History, url: str) -> str:
    """Writes the state, the time that a call takes, and what failed."""
    last = history.passes[-1]
    rows = [
        ("passes", f"{len(history.passes)}, {history.start:%Y-%m-%d %H:%M} to {history.end:%Y-%m-%d %H:%M} UTC"),
        *((each.name, each.value) for each in headline(history)),
        *([("drift of the last pass", drift_text(last.drift))] if last.drift else []),
        *(("open alert", f"`{each.rule}`: {each.detail or ''}") for each in history.open_alerts),
        *(("model", f"{name} `{sha256[:12]}`") for _, name, sha256 in history.models()[-1:]),
    ]
    lines = [f"## {'✅ healthy' if history.is_healthy else '❌ failing'}: {url}", "", "| | |", "|---|---|"]
    lines += map(_row, rows)
    if outages := outage_rows(history):
        lines += ["", "| from (UTC) | until | length | first reason |", "|---|---|---|---|", *map(_row, outages[-10:])]
    return "\n".join(lines) + "\n"


def _row(cells: tuple[str, ...]) -> str:
    words = [" ".join(cell.replace("|", r"\|").split()) for cell in cells]
    return f"| {' | '.join(words)} |"


def _length(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
