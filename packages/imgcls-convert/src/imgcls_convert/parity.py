"""The gate: does the artifact answer as PyTorch does, on every image, both ways that it will be asked?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from imgcls_core.artifact import GOLDEN_TOLERANCE, Parity, Precision
from imgcls_core.errors import ImageError
from imgcls_core.images.preprocess import ImagePreprocessor
from imgcls_core.inference.classifier import OnnxClassifier
from imgcls_networks.errors import RequestError
from imgcls_networks.progress import Progress
from imgcls_networks.pytorch_classifier import PyTorchClassifier
from numpy.typing import NDArray

from imgcls_convert.comparison import Figures, ImageComparison, ParityImage, compare_answers
from imgcls_convert.errors import AgreementError, ConversionError, ParityError

FP32_TOLERANCE: Final = 1e-5  # max |Δp|; the sample networks stay below 5e-6


def pytorch_answers(
    images: Sequence[ParityImage], reference: PyTorchClassifier, progress: Progress
) -> list[NDArray[np.float32]]:
    """Asks PyTorch: float32 [classes] per image.

    Raises:
        RequestError: an image that cannot be read.
        ConversionError: the network answers NaN.
    """
    answers: list[NDArray[np.float32]] = []
    for image in progress.track(images, "PyTorch", len(images)):
        try:
            pixels = reference.pixels(image.encoded)
        except (OSError, SyntaxError, ValueError) as error:
            raise RequestError(f"The image {image.name!r} cannot be read: {error}.") from error
        answers.append(reference.probabilities(pixels))
        if not np.isfinite(answers[-1]).all():
            raise ConversionError(
                f"PyTorch itself answers NaN or infinity to {image.name!r}; the network is not usable as it is."
            )
    return answers


def compare(
    images: Sequence[ParityImage], expected: Sequence[NDArray[np.float32]], artifact: Path, progress: Progress
) -> list[ImageComparison]:
    """Asks the artifact, with the original pixels and with those that core has shrunk, and compares with PyTorch."""
    classifier = OnnxClassifier(artifact, provider="cpu")
    preprocess = ImagePreprocessor(classifier.metadata.preprocessing)
    comparisons: list[ImageComparison] = []
    for image, wanted in progress.track(zip(images, expected, strict=True), "ONNX", len(images)):
        try:
            pixels = preprocess.decode(image.encoded)
        except ImageError as error:
            raise RequestError(f"{image.name!r}: {error}") from error
        graph = classifier.predict(pixels)[0]
        served = classifier.predict(preprocess.shrink(pixels))[0]
        found = max((graph, served), key=lambda answer: float(np.abs(answer - wanted).max()))
        comparisons.append(compare_answers(image, wanted, found))
    return comparisons


def check_fp32(comparisons: Sequence[ImageComparison]) -> Parity:
    """Sums up, and refuses an artifact that differs.

    Raises:
        ParityError: |Δp| above the tolerance, or another top-1, on any image; a NaN counts as a difference.
    """
    differing = [row for row in comparisons if not row.agrees]
    worst = max(comparisons, key=lambda row: (not row.agrees, np.nan_to_num(row.max_abs_diff, nan=np.inf)))
    if differing or not worst.max_abs_diff <= FP32_TOLERANCE:
        raise ParityError(
            image=worst.name,
            max_abs_diff=worst.max_abs_diff,
            tolerance=FP32_TOLERANCE,
            pytorch_class_id=worst.pytorch_class_id,
            onnx_class_id=worst.onnx_class_id,
            disagreeing=len(differing),
            images=len(comparisons),
        )
    return Parity(
        images=len(comparisons),
        max_abs_diff=worst.max_abs_diff,
        top1_agreement=1.0,
        tolerance=FP32_TOLERANCE,
    )


def check_agreement(figures: Figures, precision: Precision, bar: float, sensitive: Sequence[str]) -> Parity:
    """Sums up a reduced artifact, and refuses one that names other classes too often.

    Raises:
        AgreementError: the top-1 agreement is below the bar, or the answers are not numbers.
    """
    if not figures.top1_agreement >= bar or not np.isfinite(figures.max_abs_diff):
        raise AgreementError(
            precision=precision,
            agreement=figures.top1_agreement,
            bar=bar,
            images=figures.images,
            sensitive=sensitive,
        )
    return Parity(
        images=figures.images,
        max_abs_diff=figures.max_abs_diff,
        top1_agreement=figures.top1_agreement,
        tolerance=GOLDEN_TOLERANCE[precision],
    )
