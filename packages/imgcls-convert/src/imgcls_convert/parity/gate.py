"""The gate: lets an artifact pass that answers as PyTorch does, and refuses one that differs too much."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from imgcls_cli.progress import Progress
from imgcls_core.artifact import GOLDEN_TOLERANCE, ArtifactMetadata, GoldenCase, Parity, Precision, Source

from imgcls_convert.errors import AgreementError, ConversionError, ParityError
from imgcls_convert.parity.comparison import ArtifactComparison, Evidence, compare_with_pytorch
from imgcls_convert.parity.figures import ImageComparison, PrecisionRow

FP32_TOLERANCE: Final = 1e-5  # max |Δp|; the sample networks stay below 5e-6
# What differs by more may be rounding: PyTorch is asked in float64 about the worst images, and the artifact may be
# this many times as far from that as PyTorch's own float32 is, the farthest of its orders of summing (they differ by
# five times and more), but never so far that golden cases could fail elsewhere.
_ROUNDINGS: Final = 4
_CLEARLY: Final = 2  # roundings: the artifact is no farther from PyTorch than that, and other orders prove nothing more
_ASKED_EXACTLY: Final = 4  # convolutions in float64 take thirty times as long (ResNet-18: 2 s an image)
_MOST_TOLERANCE: Final = GOLDEN_TOLERANCE["fp32"] * 3 / 4
_ROUNDED: Final = 2e-6  # so near, two probabilities are the same in float32 after a network's sums
# Top-1 agreement with PyTorch below which an artifact is refused, and what its sensitive layers are chosen for.
MIN_AGREEMENT: Final[Mapping[Precision, float]] = {"fp32": 1.0, "fp16": 0.995, "int8": 0.98}


class Gate:
    """Compares artifacts with PyTorch and lets those pass that answer alike.

    Args:
        evidence: what PyTorch says.
        min_agreement: percent of the images that a reduced artifact must name as PyTorch does; None takes
            `MIN_AGREEMENT`.
        progress: shown the progress, told of golden cases that are left out.

    Attributes:
        comparisons: all images of the last artifact, the worst first.
        table: figures of each artifact, without what it costs.
    """

    def __init__(self, evidence: Evidence, min_agreement: float | None, progress: Progress) -> None:
        self._evidence, self._min_agreement, self._progress = evidence, min_agreement, progress
        self.comparisons: Sequence[ImageComparison] = ()
        self.table: list[PrecisionRow] = []

    def admit(
        self,
        artifact: Path,
        metadata: ArtifactMetadata,
        *,
        rank: Callable[[], Sequence[str]],
        doubtful: float = 0.0,
    ) -> ArtifactMetadata:
        """Lets an artifact pass, and says so in its metadata.

        Args:
            artifact: the file, with its golden cases and without a proof.
            metadata: of the file.
            rank: names the layers of a reduced artifact that cost most, for the refusal.
            doubtful: share of images that a second look would take, for the refusal; 0 where it is taken.

        Raises:
            ParityError: float32 differs by more than the tolerance, or in its top-1, on any image; NaN is a difference.
            AgreementError: a reduced artifact names other classes too often, or answers NaN.
            ConversionError: a reduced artifact reproduces no golden case.
        """
        precision = metadata.source.precision
        evidence = self._evidence
        subject, yardstick = "ONNX" if precision == "fp32" else precision, metadata.source.yardstick or "PyTorch"
        self._progress.step(f"Comparing {subject} with {yardstick} on {len(evidence.answers)} images")
        comparison = compare_with_pytorch(evidence, artifact, self._progress)
        self.comparisons = sorted(comparison.rows, key=lambda row: (row.agrees, -row.max_abs_diff))
        self.table.append(PrecisionRow(precision, comparison.onnx, comparison.pytorch))
        if precision == "fp32":
            parity = _check_fp32(evidence, comparison, metadata.source)
            kept = self._without_ties(metadata.golden, comparison.rows)
            parity = msgspec.structs.replace(parity, golden_cases=len(kept))
            return msgspec.structs.replace(metadata, parity=parity, golden=kept)
        figures = comparison.onnx
        bar = MIN_AGREEMENT[precision] if self._min_agreement is None else self._min_agreement / 100
        # Not "<": NaN must not pass.
        if not figures.top1_agreement >= bar or not np.isfinite(figures.max_abs_diff):
            raise AgreementError(
                precision=precision,
                agreement=figures.top1_agreement,
                bar=bar,
                images=figures.images,
                sensitive=[] if figures.top1_agreement >= bar else rank(),
                doubtful=doubtful,
            )
        tolerance = GOLDEN_TOLERANCE[precision]
        kept = _reproduced_golden(metadata, comparison.rows, tolerance)
        proof = Parity(figures.images, figures.max_abs_diff, figures.top1_agreement, tolerance, len(kept))
        if left_out := len(metadata.golden) - len(kept):
            self._progress.note(
                f"golden cases left out because {precision} answers otherwise: {left_out} of {len(metadata.golden)}"
            )
        return msgspec.structs.replace(metadata, parity=proof, golden=kept)

    def _without_ties(self, golden: tuple[GoldenCase, ...], rows: Sequence[ImageComparison]) -> tuple[GoldenCase, ...]:
        """Leaves out what would keep a service on another processor from getting ready: there rounding differs."""
        best = np.sort(self._evidence.answers[: len(golden)], axis=1)[:, -2:]  # [cases, 2]
        is_clear = best[:, -1] - best[:, 0] > _ROUNDED
        kept = tuple(case for case, row, clear in zip(golden, rows, is_clear, strict=False) if clear and row.is_same)
        if not kept or len(kept) == len(golden):
            return golden
        self._progress.note(
            f"golden cases left out because two classes tie: {len(golden) - len(kept)} of {len(golden)}"
        )
        return kept


def _check_fp32(evidence: Evidence, comparison: ArtifactComparison, source: Source) -> Parity:
    """Sums up, and refuses an artifact that differs.

    Raises:
        ParityError: |Δp| above the tolerance, or another top-1, on any image; a NaN counts as a difference.
    """
    rows = comparison.rows
    differing = [row for row in rows if not row.agrees]
    order = sorted(range(len(rows)), key=lambda i: (rows[i].agrees, -np.nan_to_num(rows[i].max_abs_diff, nan=np.inf)))
    worst = rows[order[0]]
    tolerance, rounding = FP32_TOLERANCE, None
    if not differing and worst.max_abs_diff > FP32_TOLERANCE:
        # Is that float32's own rounding, which a deep network adds up, or another computation?
        rounding, off = _rounding(evidence, comparison, order)
        if rounding is not None and off <= _ROUNDINGS * rounding:
            tolerance = max(FP32_TOLERANCE, min(_ROUNDINGS * rounding, _MOST_TOLERANCE))
    if differing or not worst.max_abs_diff <= tolerance:
        raise ParityError(
            image=worst.name,
            max_abs_diff=worst.max_abs_diff,
            tolerance=tolerance,
            rounding=rounding,
            pytorch_class_id=worst.pytorch_class_id,
            onnx_class_id=worst.onnx_class_id,
            disagreeing=len(differing),
            images=len(rows),
            yardstick=source.yardstick or "PyTorch",
        )
    return Parity(len(rows), worst.max_abs_diff, sum(row.is_same for row in rows) / len(rows), tolerance)


def _rounding(evidence: Evidence, comparison: ArtifactComparison, order: Sequence[int]) -> tuple[float | None, float]:
    """Measures on the worst images how far PyTorch's float32 and the artifact are from PyTorch's float64.

    Only the worst is asked in as many orders of summing as make the artifact's difference clearly rounding; more images
    and the other orders where these do not.

    Returns:
        Both; None and infinity where the network cannot be asked in float64.
    """
    rounding, off = None, np.inf
    for doubtful in (order[:1], order[:_ASKED_EXACTLY]):
        asked = [evidence.images.compared[i].encoded for i in doubtful]
        if (exact := evidence.exact(asked)) is None:
            break
        off = float(np.abs(comparison.answers[doubtful] - exact).max())
        for answers in chain((evidence.answers[doubtful],), evidence.rounded(asked)):
            rounding = max(rounding or 0.0, float(np.abs(answers - exact).max()))
            if max(off, comparison.rows[order[0]].max_abs_diff) <= _CLEARLY * rounding:
                return rounding, off
    return rounding, off


def _reproduced_golden(
    metadata: ArtifactMetadata, rows: Sequence[ImageComparison], tolerance: float
) -> tuple[GoldenCase, ...]:
    """Gives the golden cases that this precision answers alike: a service would never get ready with the others."""
    kept = tuple(
        case for case, row in zip(metadata.golden, rows, strict=False) if row.is_same and row.max_abs_diff <= tolerance
    )
    if not kept:
        raise ConversionError(
            f"{metadata.source.precision} reproduces none of the {len(metadata.golden)} golden answers; "
            "give photos with `--golden`, or take another precision."
        )
    return kept
