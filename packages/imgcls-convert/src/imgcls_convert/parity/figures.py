"""Artifact and PyTorch in figures: of one image, of many, of one precision beside another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Between probabilities so near to each other rounding chooses: both may be off by 1e-5.
TIE: Final = 2e-5


@dataclass(frozen=True)
class ImageComparison:
    """Both answers to one image; `max_abs_diff` is the largest |Δp| over all classes, the worse of the two ways.

    `pytorch_gap` is how much more probable PyTorch finds its own first class than the one that ONNX names.
    The ranks are places of the labelled class in each answer, 0 for the most probable; None without a label.
    """

    name: str
    class_id: int | None
    pytorch_class_id: int
    pytorch_probability: float
    onnx_class_id: int
    onnx_probability: float
    max_abs_diff: float
    pytorch_gap: float
    pytorch_rank: int | None = None
    onnx_rank: int | None = None

    @property
    def is_same(self) -> bool:
        """Whether both name the same class."""
        return self.pytorch_class_id == self.onnx_class_id

    @property
    def agrees(self) -> bool:
        """Whether both name the same class, or one that is as probable for PyTorch itself."""
        return self.pytorch_gap <= TIE


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


@dataclass(frozen=True)
class PrecisionRow:
    """One precision beside PyTorch, all on the same images.

    Args:
        precision: "fp32", "fp16" or "int8".
        figures: of the artifact.
        pytorch: of PyTorch itself.
        size_bytes: of the artifact.
        ms_per_image: of one of this machine's cores, the mean over images at native size; None when nothing was
            compared with it.
        speed_ratio: how many times less of that time than fp32.
    """

    precision: str
    figures: Figures
    pytorch: Figures
    size_bytes: int = 0
    ms_per_image: float | None = None
    speed_ratio: float | None = None


@dataclass(frozen=True)
class DecodeFigures:
    """Scaled decoding beside exact decoding, by PyTorch on the same large photos.

    Args:
        images: how many.
        enlarged: how many of them had to be enlarged.
        top1_agreement: share on which both name the same class.
        max_abs_diff: largest |Δp|.
        mean_abs_diff: mean over the photos of the largest |Δp|.
        labelled: how many have a label.
        exact_accuracy: share of these that get it when decoded whole; None without labels.
        scaled_accuracy: the same at a reduced scale.
        exact_ms: processor time of decoding and resizing one of them, the mean.
        scaled_ms: the same at a reduced scale.
    """

    images: int
    enlarged: int
    top1_agreement: float
    max_abs_diff: float
    mean_abs_diff: float
    labelled: int
    exact_accuracy: float | None
    scaled_accuracy: float | None
    exact_ms: float
    scaled_ms: float

    @property
    def text(self) -> str:
        """Gives them in one line."""
        enlarged = f" ({self.enlarged} of them enlarged)" if self.enlarged else ""
        right = (
            ""
            if self.exact_accuracy is None or self.scaled_accuracy is None
            else f", top-1 {self.scaled_accuracy:.2%} beside {self.exact_accuracy:.2%} of {self.labelled} labelled"
        )
        return (
            f"scaled: the class of exact decoding on {self.top1_agreement:.2%} of {self.images} large photos"
            f"{enlarged}, "
            f"|Δp| at most {self.max_abs_diff:.1e}, {self.mean_abs_diff:.1e} on average{right}; "
            f"{self.scaled_ms:.1f} instead of {self.exact_ms:.1f} ms to decode and resize"
        )
