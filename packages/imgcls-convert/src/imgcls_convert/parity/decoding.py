"""What decoding large JPEGs at a reduced scale costs in answers and saves in time; refused where it costs much."""

from __future__ import annotations

import time
from collections.abc import Sequence
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
from imgcls_convert.parity.figures import DecodeFigures
from imgcls_convert.parity.gate import MIN_AGREEMENT

_TIMED: Final = 12  # photos
_ROUNDS: Final = 3


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
