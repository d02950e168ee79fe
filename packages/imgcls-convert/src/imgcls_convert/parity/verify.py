"""The command `verify`: an artifact against its recorded golden answers. Needs no PyTorch."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from imgcls_core.artifact.props import read_parts
from imgcls_core.artifact.seal import checked_seal
from imgcls_core.artifact.signature import PublicKey, check_signatures
from imgcls_core.inference.classifier import OnnxClassifier
from imgcls_networks.errors import RequestError


@dataclass(frozen=True)
class VerifiedImage:
    """One image: both top-1, and the largest |Δp| (golden cases: over PyTorch's five most probable classes)."""

    name: str
    pytorch_class_id: int
    onnx_class_id: int
    max_abs_diff: float
    agrees: bool


@dataclass(frozen=True)
class Authenticity:
    """Who vouches for a file: its seal, None of a file of before, and the keys whose signatures were checked."""

    seal: str | None
    signed_by: Sequence[str]

    @property
    def text(self) -> str:
        """Gives it in a few words."""
        sealed = "unsealed: written before artifacts had seals" if self.seal is None else f"sealed {self.seal[:16]}…"
        return f"{sealed}, signed by {', '.join(self.signed_by) or 'nobody'}"


@dataclass(frozen=True)
class Verification:
    """What was found; `passed` is the answer."""

    path: Path
    origin: Authenticity
    against: str
    tolerance: float
    min_agreement: float
    images: Sequence[VerifiedImage]

    @property
    def agreement(self) -> float:
        """Share of the images with the same top-1."""
        return sum(row.agrees for row in self.images) / len(self.images)

    @property
    def max_abs_diff(self) -> float:
        """The largest |Δp| of all."""
        return max(row.max_abs_diff for row in self.images)

    @property
    def passed(self) -> bool:
        """Whether the artifact answers as PyTorch did."""
        return self.agreement >= self.min_agreement and self.max_abs_diff <= self.tolerance

    def to_json(self) -> str:
        """Gives one document."""
        content: dict[str, Any] = {
            "file": str(self.path),
            "seal": self.origin.seal,
            "signed_by": self.origin.signed_by,
            "against": self.against,
            "passed": self.passed,
            "tolerance": self.tolerance,
            "top1_agreement": self.agreement,
            "max_abs_diff": self.max_abs_diff,
            "images": self.images,
        }
        return msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n"

    def to_text(self) -> str:
        """Lines for a user: the sum, and the images that differ."""
        verdict = "equals" if self.passed else "DIFFERS from"
        lines = [
            f"{self.path} {verdict} {self.against} on {len(self.images)} images: top-1 agreement {self.agreement:.2%}, "
            f"max |Δp| {self.max_abs_diff:.1e} (tolerance {self.tolerance:.0e}); "
            f"{self.origin.text}\n"
        ]
        for row in sorted(self.images, key=lambda row: -row.max_abs_diff):
            if not row.agrees or row.max_abs_diff > self.tolerance:
                both = f"expected {row.pytorch_class_id}, found {row.onnx_class_id}"
                lines.append(f"  {row.name:<32} {both}, |Δp| {row.max_abs_diff:.1e}\n")
        return "".join(lines)


def read_origin(path: Path, trusted: Collection[PublicKey] = ()) -> Authenticity:
    """Checks the seal and the signatures.

    Raises:
        ArtifactError: there is no artifact, it was changed after it was sealed, or no trusted key has signed it.
    """
    parts = read_parts(path)
    seal = checked_seal(parts, path=str(path))
    return Authenticity(seal.seal if seal else None, check_signatures(parts, seal, trusted=trusted, path=str(path)))


def verify_golden(path: Path, origin: Authenticity, *, provider: str) -> Verification:
    """Replays the golden cases on a provider, as `OnnxClassifier` takes it.

    Raises:
        ArtifactError: there is no artifact at the path.
        ProviderUnavailableError: the provider cannot be used.
        RequestError: it carries no golden cases.
    """
    classifier = OnnxClassifier(path, provider=provider)
    results = classifier.replay_golden()
    if not results:
        raise RequestError(f"{str(path)!r} carries no golden cases; verify it with `--model` against PyTorch.")
    yardstick = classifier.metadata.source.yardstick or "PyTorch"
    rows = [
        VerifiedImage(
            r.name, r.expected_class_id, r.actual_class_id, r.max_abs_diff, r.expected_class_id == r.actual_class_id
        )
        for r in results
    ]
    on = "" if provider == "cpu" else f" on {classifier.provider}"
    against, tolerance = f"the recorded answers of {yardstick}{on}", classifier.metadata.golden_tolerance
    return Verification(path, origin, against, tolerance, 1.0, rows)
