"""Drift and entropy as Prometheus reads them; computed from a model's counts at each scrape."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from imgcls_core import ReferenceDistribution
from imgcls_core.artifact import REFERENCE_BINS
from imgcls_core.artifact.drift import AnswerCounts, drift_figures
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric


class CountsOfAnswers(Protocol):
    """What is read of `AnswerCounters`, of one process or several."""

    @property
    def window_s(self) -> float:
        """How far back `window` looks."""
        ...

    def window(self) -> AnswerCounts:
        """Gives the counts of the latest `window_s`."""
        ...

    def since_load(self) -> AnswerCounts:
        """Gives the counts of all answers."""
        ...


@dataclass(frozen=True)
class CountedModel:
    """What a model has answered, and what it is expected to answer where its artifact says so."""

    counters: CountsOfAnswers
    reference: ReferenceDistribution | None


def drift_metrics(models: Mapping[str, CountedModel]) -> Iterator[Metric]:
    """Gives the figures of the loaded models.

    The number of series does not depend on the number of classes. A model whose artifact carries no reference
    distribution has no figures of drift, and one that nobody asks has none of distance: neither is a zero.
    """
    yield _entropy(models)
    labels = ("model", "of")
    psi = GaugeMetricFamily(
        "imgcls_drift_psi", "Population stability index of the window against the artifact's reference.", labels=labels
    )
    distance = GaugeMetricFamily(
        "imgcls_drift_jensen_shannon",
        "Jensen-Shannon distance of the window to the artifact's reference, 0 to 1.",
        labels=labels,
    )
    needed = GaugeMetricFamily(
        "imgcls_drift_needed_answers",
        "Answers from which chance alone keeps the index below 0.25; +Inf where the reference has too few images.",
        labels=labels,
    )
    answers = GaugeMetricFamily("imgcls_drift_window_answers", "Answers in the window.", labels=("model",))
    window = GaugeMetricFamily("imgcls_drift_window_seconds", "How far back the window looks.", labels=("model",))
    for name, model in models.items():
        if (reference := model.reference) is None:
            continue
        found = model.counters.window()
        figures = drift_figures(found, reference)
        for distribution, one in (
            ("classes", figures.classes),
            ("confidence", figures.confidence),
            ("entropy", figures.entropy),
        ):
            of = (name, distribution)
            needed.add_metric(of, math.inf if one.answers_needed is None else one.answers_needed)
            for family, value in ((psi, one.psi), (distance, one.jensen_shannon)):
                if value is not None:
                    family.add_metric(of, value)
        answers.add_metric((name,), found.answers)
        window.add_metric((name,), model.counters.window_s)
    yield from (psi, distance, needed, answers, window)


def _entropy(models: Mapping[str, CountedModel]) -> Metric:
    """All answers since the model was loaded, by entropy; the counterpart of `imgcls_confidence`."""
    family = HistogramMetricFamily(
        "imgcls_entropy",
        "Entropy of the answers divided by the logarithm of the number of classes, 0 certain to 1 every class alike.",
        labels=("model",),
    )
    for name, model in models.items():
        counts = model.counters.since_load().entropy.cumsum().tolist()
        buckets = [(str((place + 1) / REFERENCE_BINS), count) for place, count in enumerate(counts[:-1])]
        # The buckets alone: the exact sum would cost every answer more than it tells.
        family.add_metric((name,), [*buckets, ("+Inf", counts[-1])], None)
    return family
