"""What decoding large JPEGs at a reduced scale costs in answers and saves in time; refused where it costs much."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from imgcls_cli.progress import Progress
from imgcls_core.images.preprocess import ImagePreprocessor
from imgcls_networks.pytorch_classifier import PyTorchClassifier
from numpy.typing import NDArray

from imgcls_convert.errors import DecodeAgreementError
from imgcls_convert.images.files import LoadedImage
from imgcls_convert.images.large import large_photos
from imgcls_convert.images.selection import ImageSelection
from imgcls_convert.parity.gate import MIN_AGREEMENT

_TIMED: Final = 12  # photos
_ROUNDS: Final = 3


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


def judge_decode(
    scaled: PyTorchClassifier,
    images: ImageSelection,
    progress: Progress,
    min_agreement: float | None,
) -> DecodeFigures | None:
    """Compares PyTorch's answers to photos decoded at a reduced scale with those to the same photos decoded whole.

    Args:
        scaled: answers as the artifact is to.
        images: those of the conversion.
        progress: shown the progress, told where photos had to be enlarged.
        min_agreement: percent on which both must name the same class; None takes that of int8.

    Returns:
        What was found; None where the artifact has JPEGs decoded whole.

    Raises:
        RequestError: there is no photo.
        DecodeAgreementError: they do so on fewer.
    """
    if scaled.preprocessing.decode == "exact":
        return None
    photos, enlarged = large_photos(images, scaled.preprocessing, progress)
    progress.step(f"Decoding {len(photos)} large photos at a reduced scale")
    whole = msgspec.structs.replace(scaled.preprocessing, decode="exact")
    asked = [(image.name, image.encoded) for image in photos]
    expected = PyTorchClassifier(scaled.network, whole, scaled.prepare).answers(asked, progress)
    actual = scaled.answers(asked, progress)
    agreement = float((expected.argmax(axis=1) == actual.argmax(axis=1)).mean())
    bar = MIN_AGREEMENT["int8"] if min_agreement is None else min_agreement / 100
    if not agreement >= bar:
        raise DecodeAgreementError(agreement=agreement, bar=bar, images=len(photos))
    differences = np.abs(expected - actual).max(axis=1)
    classes = [image.class_id for image in photos]
    times = [_ms(ImagePreprocessor(spec), photos[:_TIMED]) for spec in (whole, scaled.preprocessing)]
    return DecodeFigures(
        len(photos),
        enlarged,
        agreement,
        float(differences.max()),
        float(differences.mean()),
        sum(class_id is not None for class_id in classes),
        _accuracy(expected, classes),
        _accuracy(actual, classes),
        *times,
    )


def _accuracy(answers: NDArray[np.float32], classes: Sequence[int | None]) -> float | None:
    right = [top == label for top, label in zip(answers.argmax(axis=1), classes, strict=True) if label is not None]
    return sum(map(int, right)) / len(right) if right else None


def _ms(preprocess: ImagePreprocessor, photos: Sequence[LoadedImage]) -> float:
    took: list[float] = []
    for _ in range(_ROUNDS):
        start_s = time.process_time()
        for photo in photos:
            preprocess(photo.encoded)
        took.append((time.process_time() - start_s) * 1000 / len(photos))
    return round(min(took), 2)
