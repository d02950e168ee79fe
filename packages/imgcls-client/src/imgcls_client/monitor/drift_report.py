"""The part of the report that sets what a model answers against what it is expected to answer."""

from collections.abc import Callable

from imgcls_client.charts import Pair, Series, line_chart, pair_chart
from imgcls_client.html_page import table
from imgcls_client.monitor.history import History
from imgcls_client.monitor.live import DISTRIBUTIONS, Distribution, Drift, Live, Reference

__all__ = ["drift_part"]

# The classes that moved most; more of them cannot be read.
MOST_CLASSES = 20
AXES: dict[Distribution, str] = {
    "classes": "the classes that moved most",
    "confidence": "probability of the first answer, from",
    "entropy": "entropy over its maximum, from",
}


def drift_part(history: History, live: Live | None, *, x_text: Callable[[float], str]) -> list[str]:
    """Draw expected and found histograms and how their distance went; nothing where the service has no reference."""
    if live is None or live.reference is None:
        return []
    latest = next((seen.drift for seen in reversed(history.passes) if seen.drift), ())
    reference = live.reference
    rows = [
        (each.of, number(each.psi), number(each.jensen_shannon), number(each.answers_needed), verdict(each))
        for each in latest
    ]
    names = history.labels()
    pictures = [
        pair_chart(pairs_of(of, live, reference, names), title=f"{of}, expected and found", x_label=AXES[of])
        for of in DISTRIBUTIONS
        if live.answers
    ]
    return [
        "<h2>Answers against the artifact's reference</h2>",
        f'<p class="soft">{live.answers} answers to all callers of the last {live.window_s / 60:g} min; '
        f"the reference was measured on {reference.images} images.</p>",
        table(("distribution", "PSI", "Jensen-Shannon", "answers needed", "verdict of the last pass"), rows),
        *pictures,
        "<h2>PSI against the artifact's reference</h2>",
        line_chart(
            [Series(of, points_of(of, history)) for of in DISTRIBUTIONS],
            title="PSI over time",
            y_label="PSI",
            x_text=x_text,
        ),
    ]


def points_of(of: Distribution, history: History) -> list[tuple[float, float | None]]:
    """Follow one index over the passes."""
    return [(seen.at.timestamp(), each.psi) for seen in history.passes for each in seen.drift if each.of == of]


def pairs_of(of: Distribution, live: Live, reference: Reference, names: dict[int, str]) -> list[Pair]:
    """Put expected and found shares side by side; of the classes those that moved most."""
    found, expected = live.counts[of], reference.shares[of]
    shares = [(wanted, count / live.answers) for wanted, count in zip(expected, found, strict=False)]
    if of != "classes":
        return [Pair(f"{place / len(shares):.2f}", *both) for place, both in enumerate(shares)]
    most = sorted(enumerate(shares), key=lambda entry: -abs(entry[1][0] - entry[1][1]))[:MOST_CLASSES]
    return [Pair(names.get(class_id) or str(class_id), *both) for class_id, both in sorted(most)]


def number(value: float | None) -> tuple[str, str]:
    """Write a figure into a cell."""
    return ("–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value), "number")


def verdict(drift: Drift) -> str:
    """Say what the figures of one distribution are worth."""
    if drift.answers_needed is None:
        return "not judged: the reference was measured on too few images"
    if not drift.is_judged:
        return f"not judged: {drift.answers} answers"
    return f"judged on {drift.answers} answers"
