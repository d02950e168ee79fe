"""What a conversion found, as data: written beside the artifact and printed as a short table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from imgcls_core.artifact import ArtifactMetadata

from imgcls_convert.comparison import ImageComparison


@dataclass(frozen=True)
class Accuracy:
    """Top-1 accuracy on the labelled images, as a share of 1."""

    images: int
    pytorch_top1: float
    onnx_top1: float


@dataclass(frozen=True)
class ConversionReport:
    """Everything that NAME.report.json holds; `images` is sorted by difference, largest first.

    Args:
        artifact: path of the .onnx file.
        sha256: of the artifact.
        size_bytes: of the artifact.
        metadata: as in the artifact.
        accuracy: None when no image is labelled.
        images: one row per compared image; empty when verification was skipped.
        notes: what was assumed or left out.
        seconds: wall time by stage.
    """

    artifact: Path
    sha256: str
    size_bytes: int
    metadata: ArtifactMetadata
    accuracy: Accuracy | None
    images: Sequence[ImageComparison]
    notes: Sequence[str]
    seconds: Mapping[str, float]

    @property
    def path(self) -> Path:
        """NAME.report.json beside NAME.onnx."""
        return self.artifact.with_suffix(".report.json")

    def to_json(self) -> bytes:
        """Gives the report as indented JSON; golden images are named, not repeated."""
        meta = self.metadata
        content = {
            "artifact": {"file": self.artifact.name, "sha256": self.sha256, "bytes": self.size_bytes},
            "name": meta.name,
            "classes": len(meta.classes),
            "preprocessing": meta.preprocessing,
            "source": meta.source,
            "parity": meta.parity,
            "accuracy": self.accuracy,
            "golden": [case.name for case in meta.golden],
            "notes": self.notes,
            "seconds": self.seconds,
            "images": self.images,
        }
        return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def measure_accuracy(comparisons: Sequence[ImageComparison]) -> Accuracy | None:
    """Scores both against the labels; None without labels."""
    labelled = [row for row in comparisons if row.class_id is not None]
    if not labelled:
        return None
    return Accuracy(
        images=len(labelled),
        pytorch_top1=sum(row.pytorch_class_id == row.class_id for row in labelled) / len(labelled),
        onnx_top1=sum(row.onnx_class_id == row.class_id for row in labelled) / len(labelled),
    )
