"""What a conversion found, as data: written beside the artifact and printed as a short table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from imgcls_core.artifact import ArtifactMetadata
from imgcls_networks.models.trained_model import TrainedModel, evaluation_words
from imgcls_report import Column, table

from imgcls_convert.parity.figures import DecodeFigures, Figures, ImageComparison, PrecisionRow
from imgcls_convert.plan import Fallback
from imgcls_convert.report.inspection import preprocessing_words, yardstick_words

if TYPE_CHECKING:  # it brings onnx, which a command that only tells does without
    from imgcls_convert.quantize.second_look import SecondLook


@dataclass(frozen=True)
class ConversionReport:
    """Everything that NAME.report.json holds; `images` is sorted by difference, largest first.

    Args:
        artifact: path of the .onnx file.
        model: what was converted, as a user names it.
        trained: its card, where it is a trained model.
        fallback: set when it stands in for the default model, which could not be downloaded.
        sha256: of the artifact.
        size_bytes: of the artifact.
        metadata: as in the artifact.
        table: one row per precision, fp32 first; empty when verification was skipped.
        decoding: scaled beside exact decoding; None where JPEGs are decoded whole, or nothing was verified.
        float_layers: layers of a reduced network that stayed float.
        second_look: when its answers are computed again in float; None where they never are.
        held_out: False when a reduced network had to be judged by the images that calibrated it.
        images: one row per compared image; empty when verification was skipped.
        encoded: the compared images by name, for the page.
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
    table: Sequence[PrecisionRow]
    decoding: DecodeFigures | None
    float_layers: Sequence[str]
    second_look: SecondLook | None
    held_out: bool
    images: Sequence[ImageComparison]
    encoded: Mapping[str, bytes]
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

    def facts(self) -> dict[str, str]:
        """Gives what a user wants to know first, a line each: heading and text."""
        meta, trained = self.metadata, self.trained
        rows = {
            "artifact": f"{self.artifact} ({self.size_bytes / 1e6:.1f} MB)",
            "sha256": self.sha256,
            "model": f"{self.model}, in place of {self.fallback.instead_of}" if self.fallback else "",
            "network": f"{meta.source.architecture}, {len(meta.classes)} classes, {meta.source.precision}",
            "accuracy": evaluation_words(trained.evaluation) if trained and trained.evaluation else "",
            "terms": meta.source.terms or "",
            "input": preprocessing_words(meta.preprocessing),
            "golden": f"{len(meta.golden)} cases",
            "parity": self._parity_words(),
            "decoding": self.decoding.text if self.decoding else "",
            "in float": f"{len(self.float_layers)} layers: {', '.join(self.float_layers)}" if self.float_layers else "",
            "second look": self.second_look.text if self.second_look else "",
            "report": f"{self.path}, {self.page_path}",
        }
        return {name: text for name, text in rows.items() if text}

    def _parity_words(self) -> str:
        parity = self.metadata.parity
        if parity is None:
            return "NOT VERIFIED"
        source = self.metadata.source
        same = round(parity.top1_agreement * parity.images)
        held_out = "" if source.yardstick or source.precision == "fp32" or not self.held_out else " held-out"
        agreed = f"{yardstick_words(source)}top-1 identical on {same} of {parity.images}{held_out} images"
        return f"{agreed}, max |Δp| {parity.max_abs_diff:.1e} (tolerance {parity.tolerance:.0e})"

    def _repr_html_(self) -> str:
        """Gives what a notebook shows: the facts, and the precisions beside PyTorch."""
        notes = [("note", text) for text in self.notes]
        told = table(("conversion", self.metadata.name), [*self.facts().items(), *notes])
        if not self.table:
            return told
        heading, *rows = self.precision_table()
        return told + table((heading[0], *(Column(name, "number") for name in heading[1:])), rows)

    def precision_table(self) -> list[tuple[str, ...]]:
        """Gives every precision beside PyTorch, all on the same images: the heading, then a line each, as texts."""
        pytorch = self.table[0].pytorch
        lines = [
            ("", "agreement", "top-1", "top-5", "max |Δp|", "mean |Δp|", "MB", "ms", "speed"),
            (self.metadata.source.yardstick or "PyTorch", "", *_accuracy(pytorch), "", "", "", "", ""),
        ]
        for row in self.table:
            figures = row.figures
            lines.append(
                (
                    row.precision,
                    f"{figures.top1_agreement:.2%}",
                    *_accuracy(figures),
                    f"{figures.max_abs_diff:.1e}",
                    f"{figures.mean_abs_diff:.1e}",
                    f"{row.size_bytes / 1e6:.1f}",
                    "" if row.ms_per_image is None else f"{row.ms_per_image:.2f}",
                    "" if row.speed_ratio is None else f"{row.speed_ratio:.2f} ×",
                )
            )
        return lines

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
            "decoding": self.decoding,
            "float_layers": self.float_layers,
            "second_look": self.second_look,
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
    """Gives now, or `SOURCE_DATE_EPOCH` for builds that can be repeated; ISO 8601 in UTC."""
    fixed = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(fixed), UTC) if fixed.isdecimal() else datetime.now(UTC)
    return moment.isoformat(timespec="seconds")


def _accuracy(figures: Figures) -> tuple[str, str]:
    top1, top5 = figures.top1_accuracy, figures.top5_accuracy
    return "–" if top1 is None else f"{top1:.2%}", "–" if top5 is None else f"{top5:.2%}"
