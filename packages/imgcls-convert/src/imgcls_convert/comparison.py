"""Both answers to one image, as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ParityImage:
    """One image to compare on.

    Args:
        name: what reports call it.
        encoded: as it was found.
        class_id: the person's label where there is one.
        generated: drawn by the converter, for want of photos.
    """

    name: str
    encoded: bytes
    class_id: int | None = None
    generated: bool = False


@dataclass(frozen=True)
class ImageComparison:
    """Both answers to one image; `max_abs_diff` is the largest |Δp| over all classes, the worse of the two ways.

    The ranks are places of the labelled class in each answer, 0 for the most probable; None without a label.
    """

    name: str
    class_id: int | None
    pytorch_class_id: int
    pytorch_probability: float
    onnx_class_id: int
    onnx_probability: float
    max_abs_diff: float
    pytorch_rank: int | None = None
    onnx_rank: int | None = None

    @property
    def agrees(self) -> bool:
        """Whether both name the same class."""
        return self.pytorch_class_id == self.onnx_class_id


@dataclass(frozen=True)
class Figures:
    """One artifact against PyTorch on some images.

    Args:
        images: how many.
        top1_agreement: share on which both name the same class.
        max_abs_diff: largest |Δp|.
        mean_abs_diff: mean over the images of the largest |Δp|.
        labelled: how many have a label.
        top1_accuracy: share of these that get it; None without labels.
        top5_accuracy: share of these that have it among the five most probable.
    """

    images: int
    top1_agreement: float
    max_abs_diff: float
    mean_abs_diff: float
    labelled: int
    top1_accuracy: float | None
    top5_accuracy: float | None


def compare_answers(image: ParityImage, wanted: NDArray[np.float32], found: NDArray[np.float32]) -> ImageComparison:
    """Compares two answers, float32 [classes] each."""
    top, found_top = int(wanted.argmax()), int(found.argmax())
    return ImageComparison(
        name=image.name,
        class_id=image.class_id,
        pytorch_class_id=top,
        pytorch_probability=float(wanted[top]),
        onnx_class_id=found_top,
        onnx_probability=float(found[found_top]),
        max_abs_diff=float(np.abs(found - wanted).max()),
        pytorch_rank=_rank(wanted, image.class_id),
        onnx_rank=_rank(found, image.class_id),
    )


def onnx_figures(rows: Sequence[ImageComparison]) -> Figures:
    """Sums up; at least one row."""
    ranks = [row.onnx_rank for row in rows if row.onnx_rank is not None]
    return _figures(rows, ranks)


def pytorch_figures(rows: Sequence[ImageComparison]) -> Figures:
    """PyTorch against itself: only its accuracy says anything."""
    ranks = [row.pytorch_rank for row in rows if row.pytorch_rank is not None]
    return Figures(len(rows), 1.0, 0.0, 0.0, len(ranks), _share(ranks, 1), _share(ranks, 5))


def _figures(rows: Sequence[ImageComparison], ranks: Sequence[int]) -> Figures:
    distances = [row.max_abs_diff for row in rows]
    return Figures(
        images=len(rows),
        top1_agreement=sum(row.agrees for row in rows) / len(rows),
        max_abs_diff=max(distances),
        mean_abs_diff=sum(distances) / len(rows),
        labelled=len(ranks),
        top1_accuracy=_share(ranks, 1),
        top5_accuracy=_share(ranks, 5),
    )


def _share(ranks: Sequence[int], places: int) -> float | None:
    return sum(rank < places for rank in ranks) / len(ranks) if ranks else None


def _rank(answer: NDArray[np.float32], class_id: int | None) -> int | None:
    if class_id is None:
        return None
    better = answer > answer[class_id]
    ties_before = answer[:class_id] == answer[class_id]
    return int(better.sum() + ties_before.sum())
