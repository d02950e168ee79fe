"""What the rows of one run say as a whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from imgcls_contract import DriftFiguresReply
from imgcls_core import ReferenceDistribution
from imgcls_core.artifact import REFERENCE_BINS
from imgcls_core.artifact.drift import AnswerCounts, drift_figures
from numpy.typing import NDArray

from imgcls_batch.analysis.answers import AnswerTables
from imgcls_batch.output.run_document import RunDocument
from imgcls_batch.output.sessions import Session, read_sessions


@dataclass(frozen=True)
class ClassFigures:
    """One class among the answers."""

    class_id: int
    label: str
    images: int
    mean_probability: float


@dataclass(frozen=True)
class BadFigures:
    """Rows without an answer that have one code, and what one of them says."""

    code: str
    images: int
    example_uri: str
    example_detail: str


@dataclass(frozen=True)
class RunStatistics:
    """What the rows of one run say as a whole.

    Args:
        run: whose rows they are.
        rows: how many there are; fewer than the manifest has images while the run goes on.
        answered: of them, with an answer.
        classes: most frequent first.
        confidence: answers by the probability of the first class, in bins of equal width from 0 to 1.
        entropy: answers by entropy, likewise.
        bad: most frequent first.
        drift: against the artifact's reference distribution; None where it carries none.
        sessions: of the run, as far as they ended by themselves.
    """

    run: RunDocument
    rows: int
    answered: int
    classes: tuple[ClassFigures, ...]
    confidence: tuple[int, ...]
    entropy: tuple[int, ...]
    bad: tuple[BadFigures, ...]
    drift: DriftFiguresReply | None
    sessions: tuple[Session, ...]


def run_statistics(tables: AnswerTables) -> RunStatistics:
    """Counts the rows of the view `rows`."""
    run = tables.runs["rows"]
    rows, answered = tables.row("SELECT count(*), count(class_id) FROM rows")
    classes = tables.query(
        "SELECT class_id, any_value(label), count(*), avg(probability) FROM rows WHERE class_id IS NOT NULL "
        "GROUP BY class_id ORDER BY count(*) DESC, class_id"
    )
    bad = tables.query(
        "SELECT code, count(*), arg_min(uri, id), arg_min(detail, id) FROM rows WHERE code IS NOT NULL GROUP BY code "
        "ORDER BY count(*) DESC, code"
    )
    confidence, entropy = _bins(tables, "probability"), _bins(tables, "entropy")
    counts = np.zeros(len(run.artifact.classes), np.int64)
    for class_id, _, images, _ in classes:
        counts[class_id] = images
    return RunStatistics(
        run,
        rows,
        answered,
        tuple(ClassFigures(*found) for found in classes),
        tuple(confidence.tolist()),
        tuple(entropy.tolist()),
        tuple(BadFigures(*found) for found in bad),
        _drift(AnswerCounts(counts, confidence, entropy), run.artifact.reference),
        tuple(read_sessions(tables.outputs["rows"])),
    )


def _bins(tables: AnswerTables, column: str) -> NDArray[np.int64]:
    """Counts the answers in the bins of reference distributions; a value on a border belongs to the upper bin."""
    found = tables.query(
        f"SELECT greatest(0, least({REFERENCE_BINS - 1}, CAST(floor({column} * {REFERENCE_BINS}) AS INTEGER))) AS bin, "  # noqa: S608
        f"count(*) FROM rows WHERE class_id IS NOT NULL GROUP BY bin"
    )
    counts = np.zeros(REFERENCE_BINS, np.int64)
    for number, images in found:
        counts[number] = images
    return counts


def _drift(counts: AnswerCounts, reference: ReferenceDistribution | None) -> DriftFiguresReply | None:
    return None if reference is None or not counts.answers else drift_figures(counts, reference)
