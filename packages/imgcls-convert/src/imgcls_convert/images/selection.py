"""Chooses which images are recorded, which calibrate and which judge; those that calibrate must not judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from imgcls_cli.progress import Progress
from imgcls_core.artifact import MAX_GOLDEN_BYTES, MAX_GOLDEN_CASES
from imgcls_networks.errors import RequestError

from imgcls_convert.images.files import GivenImages, LabelledImage, LoadedImage
from imgcls_convert.images.generated import generated_images

ENOUGH: Final = 100  # images; more change the ranges little, fewer make them a matter of luck
_HELD_OUT_ENOUGH: Final = 50


@dataclass(frozen=True)
class ImageSelection:
    """The images of one conversion.

    Args:
        golden: travel inside the artifact; the first of `compared`.
        compared: all on which the artifact is compared with PyTorch.
        calibration: set the ranges of int8 and choose the layers that stay float; empty for fp32.
        scoring: judge a reduced artifact.
        held_out: False when calibrating images had to judge.
    """

    golden: Sequence[LoadedImage]
    compared: Sequence[LoadedImage]
    calibration: Sequence[LoadedImage] = ()
    scoring: Sequence[LoadedImage] = ()
    held_out: bool = True


def select_images(given: GivenImages, classes: int, *, reduced: bool, progress: Progress) -> ImageSelection:
    """Reads the images and divides them.

    Args:
        given: as the user named them.
        classes: length of the network's output.
        reduced: whether a smaller precision is asked for.
        progress: told what is assumed or left out.

    Raises:
        RequestError: not even one golden image fits, or a label is no class of the network.
    """
    golden = _golden(given.golden, progress)
    recorded = {image.name for image in golden}
    verify = [image.load() for image in given.verify if image.name not in recorded]
    chosen = ImageSelection(golden, [*golden, *verify])
    if reduced:
        chosen = _divide(given.calibrate, golden, verify, progress)
    for image in chosen.compared:
        if image.class_id is not None and image.class_id >= classes:
            raise RequestError(
                f"The image {image.name!r} is labelled {image.class_id}; the classes are 0 to {classes - 1}."
            )
    return chosen


def _golden(images: Sequence[LabelledImage] | None, progress: Progress) -> list[LoadedImage]:
    """Takes at most 16 images of 2 MB in all, evenly spread over a longer list; generated ones when there are none."""
    if images is None:
        return [LoadedImage(name, encoded, generated=True) for name, encoded in generated_images().items()]
    chosen = list(images)
    if len(chosen) > MAX_GOLDEN_CASES:
        spread = np.linspace(0, len(chosen) - 1, MAX_GOLDEN_CASES).round().astype(int)
        chosen = [chosen[i] for i in spread]
        progress.note(f"{MAX_GOLDEN_CASES} of {len(images)} golden images are recorded, evenly spread over the list")
    found = [image.load() for image in chosen]
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


def _divide(
    given: Sequence[LabelledImage] | None,
    golden: Sequence[LoadedImage],
    verify: Sequence[LoadedImage],
    progress: Progress,
) -> ImageSelection:
    """Calibrates on images evenly spread over the folder; all others judge."""
    calibration, rest = list(golden), list[LoadedImage]()
    if given is None:
        progress.note(
            f"no --calibrate was given: the {len(golden)} golden images set the ranges; about {ENOUGH} images like "
            "those of the service are wanted"
        )
    else:
        loaded = [image.load() for image in given]
        folder = {image.encoded for image in loaded}
        others = [image for image in verify if image.encoded not in folder]
        most = ENOUGH if len(others) >= _HELD_OUT_ENOUGH else max(1, min(ENOUGH, len(loaded) // 2))
        spread = set(np.linspace(0, len(loaded) - 1, min(most, len(loaded))).round().astype(int).tolist())
        calibration = [image for i, image in enumerate(loaded) if i in spread]
        rest = [image for i, image in enumerate(loaded) if i not in spread]
        if len(calibration) < ENOUGH:
            progress.note(f"{len(calibration)} images calibrate; about {ENOUGH} are wanted")
    known = {image.encoded for image in (*golden, *verify)}
    extra = [image for image in rest if image.encoded not in known]
    used = {image.encoded for image in calibration}
    # Generated images judge only when there are no photos: a network is unsure about them.
    compared = [*golden, *verify, *extra]
    candidates = [image for image in compared if not image.generated] or compared
    scoring = [image for image in candidates if image.encoded not in used]
    if not scoring:
        progress.note("every image was used for calibration, so the figures are not about images that it has not seen")
    return ImageSelection(golden, compared, calibration, scoring or candidates, held_out=bool(scoring))
