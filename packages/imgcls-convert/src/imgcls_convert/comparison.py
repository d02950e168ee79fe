"""Both answers to one image, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ParityImage:
    """One image to compare on; `class_id` is the person's label where there is one."""

    name: str
    encoded: bytes
    class_id: int | None = None


@dataclass(frozen=True)
class ImageComparison:
    """Both answers to one image; `max_abs_diff` is the largest |Δp| over all classes, the worse of the two ways."""

    name: str
    class_id: int | None
    pytorch_class_id: int
    pytorch_probability: float
    onnx_class_id: int
    onnx_probability: float
    max_abs_diff: float

    @property
    def agrees(self) -> bool:
        """Whether both name the same class."""
        return self.pytorch_class_id == self.onnx_class_id
