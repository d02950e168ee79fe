"""Chooses the images that travel inside the artifact as golden cases."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np
from imgcls_core.artifact import MAX_GOLDEN_BYTES, MAX_GOLDEN_CASES, GoldenAnswer, GoldenCase
from imgcls_networks.errors import RequestError
from imgcls_networks.progress import Progress
from numpy.typing import NDArray

from imgcls_convert.comparison import ParityImage
from imgcls_convert.generated_images import generated_images
from imgcls_convert.labelled_images import LabelledImage

_RECORDED_CLASSES = 5


def choose_golden(images: Sequence[LabelledImage] | None, progress: Progress) -> list[ParityImage]:
    """Takes at most 16 images of 2 MB in all; generated ones when there are none.

    From a longer list 16 are taken evenly spread; when they are too large together, the largest are left out. The
    progress says so in both cases.

    Raises:
        RequestError: not even one image fits.
    """
    if images is None:
        return [ParityImage(name, encoded, generated=True) for name, encoded in generated_images().items()]
    chosen = list(images)
    if len(chosen) > MAX_GOLDEN_CASES:
        spread = np.linspace(0, len(chosen) - 1, MAX_GOLDEN_CASES).round().astype(int)
        chosen = [chosen[i] for i in spread]
        progress.note(f"{MAX_GOLDEN_CASES} of {len(images)} golden images are recorded, evenly spread over the list")
    found = [ParityImage(image.name, image.path.read_bytes(), image.class_id) for image in chosen]
    kept = sorted(found, key=lambda image: len(image.encoded))
    while sum(len(image.encoded) for image in kept) > MAX_GOLDEN_BYTES:
        kept.pop()
    if not kept:
        raise RequestError(
            f"The smallest golden image, {min(found, key=lambda image: len(image.encoded)).name!r}, is larger than the "
            f"{MAX_GOLDEN_BYTES:,} bytes that all may have together; give smaller ones."
        )
    if len(kept) < len(found):
        progress.note(
            f"{len(found) - len(kept)} golden images are left out: together they exceed {MAX_GOLDEN_BYTES:,} bytes"
        )
    return [image for image in found if image in kept]


def golden_case(image: ParityImage, probabilities: NDArray[np.float32]) -> GoldenCase:
    """Records PyTorch's answer: float32 [classes] → the most probable classes, most probable first."""
    best = np.argsort(-probabilities, kind="stable")[:_RECORDED_CLASSES]
    return GoldenCase(
        name=image.name,
        image_base64=base64.b64encode(image.encoded).decode("ascii"),
        top=tuple(GoldenAnswer(int(i), min(1.0, float(probabilities[i]))) for i in best),
        expected_class_id=image.class_id,
    )
