"""Do two artifacts answer alike, and where not? Needs no PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from imgcls_contract import Explanation, ObservedCase, explain
from imgcls_core.errors import ImageError
from imgcls_core.images.preprocess import ImagePreprocessor
from imgcls_core.inference.classifier import OnnxClassifier
from imgcls_core.inference.golden import golden_image
from imgcls_networks.errors import RequestError
from numpy.typing import NDArray

from imgcls_convert.images.files import read_images

_SHOWN: Final = 10


@dataclass(frozen=True)
class ImageDifference:
    """Both answers to one image; `max_abs_diff` is the largest |Δp| over all classes."""

    name: str
    a_class_id: int
    a_probability: float
    b_class_id: int
    b_probability: float
    max_abs_diff: float


@dataclass(frozen=True)
class Difference:
    """Two artifacts on some images, the largest difference first.

    `labels` name the classes of A; `explanation` is the fault that B makes where A does not.
    """

    a: Path
    b: Path
    images: Sequence[ImageDifference]
    labels: Sequence[str]
    same_labels: bool
    explanation: Explanation | None = None

    @property
    def agreement(self) -> float:
        """Share of the images with the same top-1."""
        return sum(row.a_class_id == row.b_class_id for row in self.images) / len(self.images)

    @property
    def agree(self) -> bool:
        """Whether both name the same class for every image."""
        return self.agreement == 1.0 and self.same_labels

    def to_json(self) -> str:
        """Gives one document."""
        distances = [row.max_abs_diff for row in self.images]
        content: dict[str, Any] = {
            "a": str(self.a),
            "b": str(self.b),
            "same_labels": self.same_labels,
            "explanation": self.explanation,
            "top1_agreement": self.agreement,
            "max_abs_diff": max(distances),
            "mean_abs_diff": sum(distances) / len(distances),
            "images": self.images,
        }
        return msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n"

    def to_text(self) -> str:
        """Lines for a user: the sum, and the images that differ most."""
        distances = [row.max_abs_diff for row in self.images]
        lines = [
            f"{self.a} and {self.b} on {len(self.images)} images: top-1 agreement {self.agreement:.2%}, "
            f"max |Δp| {max(distances):.1e}, mean {sum(distances) / len(distances):.1e}\n"
        ]
        if not self.same_labels:
            lines.append("the class names differ\n")
        if self.explanation is not None:
            lines.append(f"of B {self.explanation.text}\n")
        differing = [row for row in self.images if row.a_class_id != row.b_class_id]
        lines += [
            f"  {row.name:<32} A {row.a_class_id} {self.labels[row.a_class_id]} ({row.a_probability:.1%}), "
            f"B {row.b_class_id} {self.labels[row.b_class_id]} ({row.b_probability:.1%})\n"
            for row in differing[:_SHOWN]
        ]
        return "".join(lines)


def compare_artifacts(a: Path, b: Path, images: Path | None) -> Difference:
    """Asks both artifacts, each with its own preprocessing.

    Args:
        a: an artifact.
        b: another one with as many classes.
        images: a folder or CSV file; None takes the golden images of A.

    Raises:
        ArtifactError: one of them is not an artifact.
        RequestError: another number of classes, or no image to compare on.
    """
    first, second = OnnxClassifier(a, provider="cpu"), OnnxClassifier(b, provider="cpu")
    if (one := len(first.metadata.classes)) != (other := len(second.metadata.classes)):
        raise RequestError(f"{str(a)!r} has {one} classes and {str(b)!r} has {other}; they cannot be compared.")
    cases = {case.name: case for case in first.metadata.golden} if images is None else {}
    if images is None:
        encoded = {case.name: golden_image(case) for case in first.metadata.golden}
    else:
        encoded = {image.name: image.path.read_bytes() for image in read_images(images, option="IMAGES")}
    if not encoded:
        raise RequestError(f"{str(a)!r} carries no golden images; name a folder: `imgcls-convert diff A B IMAGES`.")
    rows, observed = list[ImageDifference](), list[ObservedCase]()
    for name, content in encoded.items():
        answers = [_answer(classifier, name, content) for classifier in (first, second)]
        rows.append(_difference(name, *answers))
        if case := cases.get(name):
            expected = {answer.class_id: answer.probability for answer in case.top}
            observed.append(ObservedCase(expected, case.counterfactuals, dict(enumerate(map(float, answers[1])))))
    tolerance = max(first.metadata.golden_tolerance, second.metadata.golden_tolerance)
    return Difference(
        a,
        b,
        sorted(rows, key=lambda row: (row.a_class_id == row.b_class_id, -row.max_abs_diff)),
        [entry.label for entry in first.metadata.classes],
        first.metadata.classes == second.metadata.classes,
        explain(observed, tolerance=tolerance),
    )


def _answer(classifier: OnnxClassifier, name: str, encoded: bytes) -> NDArray[np.float32]:
    try:
        return classifier.predict(ImagePreprocessor(classifier.metadata.preprocessing)(encoded))[0]
    except ImageError as error:
        raise RequestError(f"{name!r}: {error}") from error


def _difference(name: str, a: NDArray[np.float32], b: NDArray[np.float32]) -> ImageDifference:
    top_a, top_b = int(a.argmax()), int(b.argmax())
    return ImageDifference(name, top_a, float(a[top_a]), top_b, float(b[top_b]), float(np.abs(a - b).max()))
