"""The part of the report that sets what a model answers against what it is expected to answer."""

from __future__ import annotations

from collections.abc import Callable

from imgcls_contract import ModelDriftReply, ReferenceReply

from imgcls_client.charts import Pair, Series, line_chart, pair_chart
from imgcls_client.html_page import table
from imgcls_client.monitor.drift import DISTRIBUTIONS, Distribution, DistributionDrift
from imgcls_client.monitor.history import History

# The classes that moved most; more of them cannot be read.
_MOST_CLASSES = 20
_AXES: dict[Distribution, str] = {
    "classes": "the classes that moved most",
    "confidence": "probability of the first answer, from",
    "entropy": "entropy over its maximum, from",
}


def drift_part(history: History, live: ModelDriftReply | None, *, x_text: Callable[[float], str]) -> list[str]:
    """Draws expected and found histograms and how their distance went; nothing where the service has no reference."""
    if live is None or live.reference is None:
        return []
    latest = next((seen.drift for seen in reversed(history.passes) if seen.drift), ())
    reference = live.reference
    rows = [
        (each.of, _number(each.psi), _number(each.jensen_shannon), _number(each.answers_needed), _verdict(each))
        for each in latest
    ]
    names = history.labels()
    charts = [
        pair_chart(_pairs_of(of, live, reference, names), title=f"{of}, expected and found", x_label=_AXES[of])
        for of in DISTRIBUTIONS
        if live.window.answers
    ]
    return [
        "<h2>Answers against the artifact's reference</h2>",
        f'<p class="soft">{live.window.answers} answers to all callers of the last {live.window_s / 60:g} min; '
        f"the reference was measured on {reference.images} images.</p>",
        table(("distribution", "PSI", "Jensen-Shannon", "answers needed", "verdict of the last pass"), rows),
        *charts,
        "<h2>PSI against the artifact's reference</h2>",
        line_chart(
            [Series(of, _points_of(of, history)) for of in DISTRIBUTIONS],
            title="PSI over time",
            y_label="PSI",
            x_text=x_text,
        ),
    ]


def _points_of(of: Distribution, history: History) -> list[tuple[float, float | None]]:
    return [(seen.at.timestamp(), each.psi) for seen in history.passes for each in seen.drift if each.of == of]


def _pairs_of(of: Distribution, live: ModelDriftReply, reference: ReferenceReply, names: dict[int, str]) -> list[Pair]:
    """Puts expected and found shares side by side; of the classes those that moved most."""
    counts: dict[Distribution, list[int]] = {
        "classes": live.window.classes,
        "confidence": live.window.confidence,
        "entropy": live.window.entropy,
    }
    expected: dict[Distribution, list[float]] = {
        "classes": reference.class_shares,
        "confidence": reference.confidence_shares,
        "entropy": reference.entropy_shares,
    }
    shares = [(share, count / live.window.answers) for share, count in zip(expected[of], counts[of], strict=False)]
    if of != "classes":
        return [Pair(f"{place / len(shares):.2f}", *both) for place, both in enumerate(shares)]
    most = sorted(enumerate(shares), key=lambda entry: -abs(entry[1][0] - entry[1][1]))[:_MOST_CLASSES]
    return [Pair(names.get(class_id) or str(class_id), *both) for class_id, both in sorted(most)]


def _number(value: float | None) -> tuple[str, str]:
    return ("–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value), "number")


def _verdict(drift: DistributionDrift) -> str:
    if drift.answers_needed is None:
        return "not judged: the reference was measured on too few images"
    if not drift.is_judged:
        return f"not judged: {drift.answers} answers"
    return f"judged on {drift.answers} answers"
