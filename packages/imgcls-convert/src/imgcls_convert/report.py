"""What a conversion found, as data: written beside the artifact and printed as a short table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from imgcls_core.artifact import ArtifactMetadata
from imgcls_networks.models.trained_model import TrainedModel

from imgcls_convert.comparison import Figures, ImageComparison
from imgcls_convert.plan import Fallback


@dataclass(frozen=True)
class ComparisonRow:
    """One precision beside PyTorch, all on the same images.

    Args:
        precision: "fp32", "fp16" or "int8".
        figures: of the artifact.
        pytorch: of PyTorch itself.
        size_bytes: of the artifact.
        ms_per_image: median on this machine's CPU, one image at native size; None when nothing was compared with it.
        speed_ratio: how many times faster than fp32 on this machine's CPU.
    """

    precision: str
    figures: Figures
    pytorch: Figures
    size_bytes: int
    ms_per_image: float | None = None
    speed_ratio: float | None = None


@dataclass(frozen=True)
class ConversionReport:
    """Everything that NAME.report.json holds; `images` is sorted by difference, largest first.

    Args:
        artifact: path of the .onnx file.
        model: what was converted, as a person names it.
        trained: its card, where it is a trained model.
        fallback: set when it stands in for the default model, which could not be downloaded.
        sha256: of the artifact.
        size_bytes: of the artifact.
        metadata: as in the artifact.
        table: one row per precision, fp32 first; empty when verification was skipped.
        float_layers: layers of a reduced network that stayed float.
        held_out: False when a reduced network had to be judged by the images that calibrated it.
        images: one row per compared image; empty when verification was skipped.
        notes: what was assumed or left out.
        seconds: wall time by stage.
        created: when, as ISO 8601 in UTC; the artifact itself holds no time.
    """

    artifact: Path
    model: str
    trained: TrainedModel | None
    fallback: Fallback | None
    sha256: str
    size_bytes: int
    metadata: ArtifactMetadata
    table: Sequence[ComparisonRow]
    float_layers: Sequence[str]
    held_out: bool
    images: Sequence[ImageComparison]
    notes: Sequence[str]
    seconds: Mapping[str, float]
    created: str

    @property
    def path(self) -> Path:
        """NAME.report.json beside NAME.onnx."""
        return self.artifact.with_suffix(".report.json")

    @property
    def page_path(self) -> Path:
        """NAME.report.html beside NAME.onnx."""
        return self.artifact.with_suffix(".report.html")

    def to_json(self) -> bytes:
        """Gives the report as indented JSON; golden images are named, not repeated."""
        meta = self.metadata
        content = {
            "artifact": {"file": self.artifact.name, "sha256": self.sha256, "bytes": self.size_bytes},
            "created": self.created,
            "model": self.model,
            "fallback": self.fallback,
            "name": meta.name,
            "classes": len(meta.classes),
            "preprocessing": meta.preprocessing,
            "source": meta.source,
            "parity": meta.parity,
            "trained": self._trained(),
            "reference": meta.reference,
            "precisions": self.table,
            "float_layers": self.float_layers,
            "held_out": self.held_out,
            "golden": [case.name for case in meta.golden],
            "notes": self.notes,
            "seconds": self.seconds,
            "images": self.images,
        }
        return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"

    def _trained(self) -> dict[str, Any] | None:
        card = self.trained
        if card is None:
            return None
        return {
            "name": card.name,
            "architecture": card.architecture,
            "temperature": card.temperature,
            "evaluation": card.evaluation,
            "terms": card.terms,
        }


def report_time() -> str:
    """Now, or `SOURCE_DATE_EPOCH` for builds that can be repeated; ISO 8601 in UTC."""
    fixed = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(fixed), UTC) if fixed.isdecimal() else datetime.now(UTC)
    return moment.isoformat(timespec="seconds")
