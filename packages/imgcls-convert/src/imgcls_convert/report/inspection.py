"""What an artifact says of itself, as data and as text. Needs no PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from imgcls_core.artifact import ArtifactMetadata, Preprocessing, Source
from imgcls_core.inference.classifier import OnnxClassifier
from imgcls_report import model_words

from imgcls_convert.report.reference_distribution import reference_words


@dataclass(frozen=True)
class Inspection:
    """One artifact; `size_bytes` and `sha256` are of the file, `seal` is None of a file of before."""

    path: Path
    sha256: str
    size_bytes: int
    metadata: ArtifactMetadata
    seal: str | None = None
    signed_by: Sequence[str] = ()

    @property
    def model_words(self) -> str:
        """Names the model in one line."""
        return model_words(self.metadata.name, self.sha256, self.metadata.source.precision)

    def to_json(self) -> str:
        """Gives one document; golden images are described, not repeated."""
        meta = self.metadata
        golden = [
            {
                "name": case.name,
                "expected_class_id": case.expected_class_id,
                "top": case.top,
                "bytes": len(case.image_base64) * 3 // 4,
                "whole_answer": case.vector_base64 is not None,
                "faults": [one.fault for one in case.counterfactuals],
            }
            for case in meta.golden
        ]
        content: dict[str, Any] = {
            "file": str(self.path),
            "sha256": self.sha256,
            "bytes": self.size_bytes,
            "sealed": self.seal is not None,
            "seal": self.seal,
            "signed_by": self.signed_by,
            "schema": meta.schema,
            "name": meta.name,
            "classes": meta.classes,
            "preprocessing": meta.preprocessing,
            "source": meta.source,
            "parity": meta.parity,
            "reference": meta.reference,
            "golden": golden,
        }
        return msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n"

    def facts(self) -> dict[str, str]:
        """Gives what there is to say in one line each."""
        meta, source = self.metadata, self.metadata.source
        shown = ", ".join(f"{entry.id} {entry.label}" for entry in meta.classes[:4])
        more = ", …" if len(meta.classes) > 4 else ""
        versions = f"torch {source.torch}, torchvision {source.torchvision}, onnx {source.onnx}"
        weights = source.weights or "made by the factory"
        found = {
            "artifact": f"{self.path} ({self.size_bytes / 1e6:.1f} MB), schema {meta.schema}",
            "sha256": self.sha256,
            "seal": self._seal_words(),
            "name": meta.name,
            "network": f"{source.architecture}, {source.precision}",
            "weights": f"{weights} (SHA-256 {source.weights_sha256})" if source.weights_sha256 else weights,
            "made with": f"imgcls-convert {source.imgcls_convert}, {versions}, onnxruntime {source.onnxruntime}",
            "input": "images, uint8 [N, H, W, 3], RGB, any height and width",
            "prepared": preprocessing_words(meta.preprocessing),
            "output": f"probabilities, float32 [N, {len(meta.classes)}]",
            "classes": shown + more,
            "parity": self._parity_words(),
        }
        if source.terms is not None:
            found["terms"] = source.terms
        if meta.reference is not None:
            found["reference"] = reference_words(meta.reference)
        return found

    def page_facts(self) -> dict[str, str]:
        """Gives what a page says below its title, which names the model, and only what is known of the seal."""
        told_elsewhere = {"name", *([] if self.seal else ["seal"])}
        return {name: value for name, value in self.facts().items() if name not in told_elsewhere}

    def to_text(self) -> str:
        """Lines for a user."""
        meta = self.metadata
        lines = [f"{key:<10} {value}\n" for key, value in self.facts().items()]
        lines += [f"{'golden':<10} {len(meta.golden)} cases\n"]
        for case in meta.golden:
            best = case.top[0]
            label = meta.classes[best.class_id].label
            lines.append(f"  {case.name:<32} {best.class_id:>5} {label} ({best.probability:.1%})\n")
        return "".join(lines)

    def _seal_words(self) -> str:
        if self.seal is None:
            return "none (written before artifacts had seals)"
        return f"{self.seal}, signed by {', '.join(self.signed_by) or 'nobody'}"

    def _parity_words(self) -> str:
        parity = self.metadata.parity
        if parity is None:
            return "NOT VERIFIED (converted with --skip-verify)"
        source = self.metadata.source
        against = source.yardstick or "PyTorch"
        return (
            f"{yardstick_words(source)}top-1 agreement with {against} {parity.top1_agreement:.2%} on "
            f"{parity.images} images, max |Δp| {parity.max_abs_diff:.1e}"
        )


def yardstick_words(source: Source) -> str:
    """Says what the artifact was proven equal to; nothing where that is PyTorch."""
    return f"proven equal to {source.yardstick}, sha256 {source.weights_sha256}: " if source.yardstick else ""


def preprocessing_words(spec: Preprocessing) -> str:
    """Gives the preprocessing in one line."""
    height, width = spec.size
    if spec.pad_color is not None:
        colour = " ".join(map(str, spec.pad_color))
        resize = f"fitted into {width} × {height} px on the colour {colour}"
    elif spec.resize_size is None:
        resize = f"resize to {width} × {height} px"
    else:
        edge = "resize to {0} × {0}" if spec.resize_mode == "squash" else "shorter edge to {0}"
        resize = f"{edge.format(spec.resize_size)} px, centre crop {width} × {height} px"
    order = "" if spec.channels == "rgb" else f", exchanged to {spec.channels.upper()}"
    levels = "" if spec.range == "0..1" else f", levels {spec.range}"
    values = f"mean {_channels(spec.mean)}, std {_channels(spec.std)}"
    decoded = "" if spec.decode == "exact" else ", large JPEGs decoded at 1/2, 1/4 or 1/8"
    return f"RGB{decoded}, {resize} ({spec.interpolation}){order}{levels}, {values}"


def inspect_artifact(path: Path) -> Inspection:
    """Reads an artifact.

    Raises:
        ArtifactError: there is none, or it is not one.
    """
    classifier = OnnxClassifier(path, provider="cpu", warm_up=False)
    seal = classifier.seal.seal if classifier.seal else None
    return Inspection(path, classifier.sha256, path.stat().st_size, classifier.metadata, seal, classifier.signed_by)


def _channels(values: tuple[float, float, float]) -> str:
    return " ".join(f"{value:g}" for value in values)
