"""The images that are most worth a look: those of which the model is least certain, of every class some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from imgcls_batch.analysis.answers import AnswerTables
from imgcls_batch.errors import NoRunError

Measure = Literal["margin", "entropy", "confidence"]

# Small is uncertain.
_CERTAINTY: Final[dict[Measure, str]] = {
    "margin": "top[1].probability - top[2].probability",
    "entropy": "-entropy",
    "confidence": "probability",
}


@dataclass(frozen=True)
class PickedImage:
    """An image to look at; `second` is the class that the model almost took."""

    id: int
    uri: str
    label: str
    probability: float
    second: str | None
    margin: float | None
    entropy: float


def pick_uncertain(tables: AnswerTables, count: int, *, by: Measure) -> list[PickedImage]:
    """Picks images of the view `rows`: the least certain of each class in turns, so that no class fills the list.

    Args:
        tables: the rows.
        count: how many at most.
        by: what uncertain means: a small margin between the first two classes, a large entropy, a small probability.

    Raises:
        NoRunError: the margin is asked for, and the rows name one class alone.
    """
    if by == "margin" and tables.runs["rows"].options.top_k < 2:
        raise NoRunError("These rows name one class each, which has no margin; pick --by entropy or confidence.")
    found = tables.query(
        "WITH ranked AS (SELECT id, uri, label, probability, top[2].label AS second, "  # noqa: S608
        "top[1].probability - top[2].probability AS margin, entropy, "
        f"{_CERTAINTY[by]} AS certainty, "
        f"row_number() OVER (PARTITION BY class_id ORDER BY {_CERTAINTY[by]}, id) AS turn "
        "FROM rows WHERE class_id IS NOT NULL) "
        "SELECT id, uri, label, probability, second, margin, entropy FROM ranked ORDER BY turn, certainty, id LIMIT ?",
        count,
    )
    return [PickedImage(*row) for row in found]
