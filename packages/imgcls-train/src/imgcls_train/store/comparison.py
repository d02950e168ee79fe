"""Whether a new model is worse than the one it would replace, on the same images, or tells other classes apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from imgcls_train.evaluation.document import Evaluation

SIGNIFICANCE: Final = 0.05
TOLERANCE_PCT: Final = 2.0


@dataclass(frozen=True)
class Comparison:
    """Two models on one split.

    Args:
        images: how many.
        new_pct: top-1 of the new one.
        old_pct: top-1 of the one in use.
        gained: images that only the new one has right.
        lost: images that only the one in use has right.
        p: how often two equally good models would differ as much to the new one's disadvantage.
        is_worse: the new one has fewer right, and that is no chance or more than the tolerance.
    """

    images: int
    new_pct: float
    old_pct: float
    gained: int
    lost: int
    p: float
    is_worse: bool

    def words(self) -> str:
        """The comparison in one line."""
        return (
            f"top-1 {self.new_pct:.2f} % against {self.old_pct:.2f} % on the same {self.images:,} images: "
            f"{self.gained:,} gained, {self.lost:,} lost (p = {self.p:.2g})"
        )


def compare(new: Evaluation, old: Evaluation, *, tolerance_pct: float = TOLERANCE_PCT) -> Comparison:
    """Compares two evaluations on the same split, image by image.

    The new model is worse when it has fewer images right, and either two equally good models would seldom differ so
    much (McNemar's exact test, one-sided, p < 5 %), or its top-1 is more than `tolerance_pct` points lower: a split
    that is too small to tell is no excuse for a large loss.

    Args:
        new: of the new model.
        old: of the one in use, with the same `split_sha256`.
        tolerance_pct: in percentage points.
    """
    now, before = new.answers.right, old.answers.right
    gained, lost = int((now & ~before).sum()), int((before & ~now).sum())
    p = mcnemar_p(lost, gained)
    drop_pct = 100 * (lost - gained) / len(now)
    return Comparison(
        images=len(now),
        new_pct=new.top1.pct,
        old_pct=old.top1.pct,
        gained=gained,
        lost=lost,
        p=p,
        is_worse=lost > gained and (p < SIGNIFICANCE or drop_pct > tolerance_pct),
    )


def class_change(old: Sequence[str], new: Sequence[str]) -> str | None:
    """Says how labels differ, in the order of their class ids; None where they are the same."""
    if list(old) == list(new):
        return None
    said = [
        f"{len(labels)} {verb} ({_few(labels)})"
        for verb, labels in (
            ("new", [one for one in new if one not in set(old)]),
            ("gone", [one for one in old if one not in set(new)]),
        )
        if labels
    ]
    if not said:
        moved = [f"{one} was {old.index(one)}, is {id_}" for id_, one in enumerate(new) if old.index(one) != id_]
        said = [f"the same in another order ({_few(moved)})"] if moved else ["some twice"]
    return f"{len(old):,} classes before, {len(new):,} now; {', '.join(said)}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def mcnemar_p(lost: int, gained: int) -> float:
    """Gives the one-sided exact p-value: at least `lost` heads in `lost + gained` throws of a fair coin."""
    throws = lost + gained
    logs = (
        math.lgamma(throws + 1) - math.lgamma(k + 1) - math.lgamma(throws - k + 1) - throws * math.log(2)
        for k in range(lost, throws + 1)
    )
    return min(1.0, math.fsum(map(math.exp, logs)))
