"""The part of the report that sets what a model answers against what it is expected to answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imgcls_contract import ModelDriftReply, ReferenceReply
from imgcls_report import (
    Cell,
    Column,
    Line,
    Tone,
    bar_chart,
    chart,
    histogram,
    number_scale,
    paragraph,
    section,
    side_by_side,
    table,
    time_scale,
)

from imgcls_client.monitor.drift import DISTRIBUTIONS, Distribution, DistributionDrift, drift_text
from imgcls_client.monitor.history import History

if TYPE_CHECKING:
    from markupsafe import Markup

# The classes that moved most; more of them cannot be read.
_MOST_CLASSES: Final = 20
_AXES: Final[dict[Distribution, str]] = {
    "classes": "class",
    "confidence": "probability of the first answer",
    "entropy": "entropy over its maximum",
}


def drift_part(history: History, live: ModelDriftReply | None) -> list[Markup]:
    """Draws expected and actual histograms and how their distance went.

    Nothing where the service has no reference; no histogram from fewer answers than a verdict needs.
    """
    if live is None or live.reference is None:
        return []
    latest = next((seen.drift for seen in reversed(history.passes) if seen.drift), ())
    rows = [
        (
            each.of,
            _number(each.psi if each.is_judged else None),
            _number(each.jensen_shannon if each.is_judged else None),
            _number(each.answers_needed),
            _verdict(each),
        )
        for each in latest
    ]
    judged = [each.of for each in latest if each.is_judged and live.window.answers]
    columns = ("distribution", *(Column(name, "number") for name in ("PSI", "Jensen-Shannon", "answers needed")))
    curves = [Line(of, _points_of(of, history)) for of in DISTRIBUTIONS]
    return [
        section(
            "Answers against the artifact's reference",
            paragraph(
                f"{live.window.answers:,} answers to all callers of the last {live.window_s / 60:g} min; "
                f"the reference was measured on {live.reference.images:,} images.",
                "soft",
            ),
            table((*columns, "verdict of the last pass"), rows)
            if judged or not latest
            else paragraph(f"Too few for a verdict, so nothing is drawn ({drift_text(latest)})."),
            side_by_side(_histogram(of, live, live.reference) for of in ("confidence", "entropy") if of in judged),
            *([_classes(live, live.reference, history.labels())] if "classes" in judged else []),
            *([chart("PSI over time", curves, x=time_scale(), y=number_scale("PSI"))] if judged else []),
        )
    ]


def drift_figure(history: History) -> list[tuple[str, str, Tone]]:
    """Gives the last pass's verdict for the head of the report; nothing where the service has no reference."""
    if not (drift := history.passes[-1].drift):
        return []
    drifted = ", ".join(each.of for each in drift if each.status == "drifted")
    if drifted:
        return [("drifted", drifted, "bad")]
    return [("drift", "none" if any(each.is_judged for each in drift) else "too few answers", "")]


def _points_of(of: Distribution, history: History) -> list[tuple[float, float | None]]:
    """Follows one index over the passes, with breaks where it was not judged."""
    return [
        (seen.at.timestamp(), each.psi if each.is_judged else None)
        for seen in history.passes
        for each in seen.drift
        if each.of == of
    ]


def _histogram(of: Distribution, live: ModelDriftReply, reference: ReferenceReply) -> Markup:
    expected, counts = (
        (reference.confidence_shares, live.window.confidence)
        if of == "confidence"
        else (reference.entropy_shares, live.window.entropy)
    )
    actual = [count / live.window.answers for count in counts]
    return histogram(f"{of}, expected and actual", [("expected", expected), ("actual", actual)], x_label=_AXES[of])


def _classes(live: ModelDriftReply, reference: ReferenceReply, names: dict[int, str]) -> Markup:
    """Puts expected and actual shares side by side, of the classes that moved most."""
    actual = [count / live.window.answers for count in live.window.classes]
    pairs = list(enumerate(zip(reference.class_shares, actual, strict=False)))
    most = sorted(pairs, key=lambda entry: -abs(entry[1][0] - entry[1][1]))[:_MOST_CLASSES]
    rows = [(names.get(class_id) or str(class_id), shares) for class_id, shares in most]
    title = "classes, expected and actual: those that moved most"
    return bar_chart(title, rows, series=("expected", "actual"), name="class", text="{:.1%}".format)


def _number(value: float | None) -> str:
    """Writes a figure into a cell."""
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else f"{value:,}"


def _verdict(drift: DistributionDrift) -> str | Cell:
    """Says what the figures of one distribution are worth."""
    if drift.answers_needed is None:
        return "not judged: the reference was measured on too few images"
    if not drift.is_judged:
        return f"not judged: {drift.answers:,} answers"
    return Cell(f"{drift.status}, of {drift.answers:,} answers", "bad" if drift.status == "drifted" else "good")
