"""What decoding large JPEGs at a reduced scale costs in answers and saves in time; refused where it costs much."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import numpy as np
from imgcls_core.artifact import Preprocessing
from imgcls_core.images.preprocess import ImagePreprocessor
from numpy.typing import NDArray

from imgcls_convert.errors import DecodeAgreementError
from imgcls_convert.images.files import LoadedImage
from imgcls_convert.images.selection import ImageSelection
from imgcls_convert.parity.figures import DecodeFigures
from imgcls_convert.parity.gate import MIN_AGREEMENT

_TIMED: Final = 12  # photos
_ROUNDS: Final = 3


def judge_decode(
    images: ImageSelection,
    whole: tuple[Preprocessing, NDArray[np.float32]],
    scaled: tuple[Preprocessing, NDArray[np.float32]],
    min_agreement: float | None,
) -> DecodeFigures:
    """Compares PyTorch's answers to photos decoded at a reduced scale with those to the same photos decoded whole.

    Args:
        images: those of the conversion; its large ones were asked about.
        whole: as they are decoded whole, and the answers to them, float32 [images, classes].
        scaled: as the artifact is to decode them, and the answers.
        min_agreement: percent on which both must name the same class; None takes that of int8.

    Raises:
        DecodeAgreementError: they do so on fewer.
    """
    expected, actual = whole[1], scaled[1]
    agreement = float((expected.argmax(axis=1) == actual.argmax(axis=1)).mean())
    bar = MIN_AGREEMENT["int8"] if min_agreement is None else min_agreement / 100
    if not agreement >= bar:
        raise DecodeAgreementError(agreement=agreement, bar=bar, images=len(images.large))
    differences = np.abs(expected - actual).max(axis=1)
    classes = [image.class_id for image in images.large]
    times = [_ms(ImagePreprocessor(spec), images.large[:_TIMED]) for spec, _ in (whole, scaled)]
    return DecodeFigures(
        len(images.large),
        images.enlarged,
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
