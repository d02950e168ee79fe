"""Two runs over the same images: where two models agree, and what changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from imgcls_contract import wilson_interval

from imgcls_batch.analysis.answers import AnswerTables
from imgcls_batch.errors import NoRunError

_PAIRS: Final = 30
_EXAMPLES: Final = 60


@dataclass(frozen=True)
class ChangedPair:
    """Images that were of one class and are of another now."""

    before: str
    after: str
    images: int


@dataclass(frozen=True)
class ChangedImage:
    """One image whose class changed."""

    id: int
    uri: str
    before: str
    before_probability: float
    after: str
    after_probability: float


@dataclass(frozen=True)
class RunDifference:
    """What two runs say of the same images.

    Args:
        is_same_manifest: whether both were asked about the same images; else those with the same URI are compared.
        images: that both have a row for.
        only_before: rows that the second has not.
        only_after: rows that the first has not.
        compared: images that both answered.
        same: of them, with the same label.
        interval: share of the same at 95 % (Wilson), from and to.
        mean_shift: mean |Δp| of the first answer's probability where the label is the same.
        lost: images that the first answered and the second did not.
        gained: the other way.
        pairs: most frequent first.
        examples: those first of which both were most certain.
    """

    is_same_manifest: bool
    images: int
    only_before: int
    only_after: int
    compared: int
    same: int
    interval: tuple[float, float]
    mean_shift: float | None
    lost: int
    gained: int
    pairs: tuple[ChangedPair, ...]
    examples: tuple[ChangedImage, ...]

    @property
    def agreement(self) -> float:
        """Share of the compared images with the same label."""
        return self.same / self.compared


def run_difference(tables: AnswerTables) -> RunDifference:
    """Compares the views `before` and `after`. Classes are compared by label: ids move when classes are added.

    Raises:
        NoRunError: no image was answered by both.
    """
    is_same = tables.runs["before"].manifest.sha256 == tables.runs["after"].manifest.sha256
    key = "id" if is_same else "uri"
    both = f"before AS a JOIN after AS b USING ({key})"
    changed = f"FROM {both} WHERE a.label <> b.label"
    images, compared, same, shift, lost, gained = tables.row(
        "SELECT count(*), count(*) FILTER (a.label IS NOT NULL AND b.label IS NOT NULL), "  # noqa: S608
        "count(*) FILTER (a.label = b.label), avg(abs(a.probability - b.probability)) FILTER (a.label = b.label), "
        "count(*) FILTER (a.label IS NOT NULL AND b.label IS NULL), "
        f"count(*) FILTER (a.label IS NULL AND b.label IS NOT NULL) FROM {both}"
    )
    if not compared:
        raise NoRunError("The two OUTPUTs have no image in common that both answered, so there is nothing to compare.")
    (before,), (after,) = (tables.row(f"SELECT count(*) FROM {view}") for view in ("before", "after"))  # noqa: S608
    pairs = tables.query(
        f"SELECT a.label, b.label, count(*) {changed} GROUP BY ALL ORDER BY count(*) DESC, 1, 2 LIMIT {_PAIRS}"
    )
    examples = tables.query(
        f"SELECT b.id, b.uri, a.label, a.probability, b.label, b.probability {changed} "
        f"ORDER BY least(a.probability, b.probability) DESC, b.id LIMIT {_EXAMPLES}"
    )
    return RunDifference(
        is_same,
        images,
        before - images,
        after - images,
        compared,
        same,
        wilson_interval(same, compared),
        shift,
        lost,
        gained,
        tuple(ChangedPair(*found) for found in pairs),
        tuple(ChangedImage(*found) for found in examples),
    )
