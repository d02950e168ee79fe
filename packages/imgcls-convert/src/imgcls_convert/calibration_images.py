"""Divides a person's images: those that calibrate must not be those that judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from imgcls_convert.comparison import ParityImage
from imgcls_convert.labelled_images import LabelledImage

WANTED: Final = 100  # images; more change the ranges little, fewer make them a matter of luck
_HELD_OUT_ENOUGH: Final = 50

Tell = Callable[[str], None]


@dataclass(frozen=True)
class ImageSplit:
    """Images to calibrate on, and names of those to judge on; `held_out` is False when they had to be the same."""

    calibration: Sequence[ParityImage]
    extra: Sequence[ParityImage]
    scoring: Sequence[ParityImage]
    held_out: bool


def split_images(
    given: Sequence[LabelledImage] | None, golden: Sequence[ParityImage], verify: Sequence[ParityImage], tell: Tell
) -> ImageSplit:
    """Chooses the calibration images evenly spread over the folder; all other images judge.

    Args:
        given: from `--calibrate`; None calibrates on the golden images, with a warning.
        golden: the images that will be recorded.
        verify: from `--verify-images`, without the golden ones.
        tell: called with what was assumed.

    Returns:
        `extra` are images of the calibration folder that judge and are in neither of the other lists.
    """
    calibration, rest = list(golden), list[ParityImage]()
    if given is None:
        tell(
            f"no --calibrate was given: the {len(golden)} golden images set the ranges; about {WANTED} images like "
            "those of the service are wanted"
        )
    else:
        loaded = [ParityImage(image.name, image.path.read_bytes(), image.class_id) for image in given]
        folder = {image.encoded for image in loaded}
        others = [image for image in verify if image.encoded not in folder]
        most = WANTED if len(others) >= _HELD_OUT_ENOUGH else max(1, min(WANTED, len(loaded) // 2))
        spread = set(np.linspace(0, len(loaded) - 1, min(most, len(loaded))).round().astype(int).tolist())
        calibration = [image for i, image in enumerate(loaded) if i in spread]
        rest = [image for i, image in enumerate(loaded) if i not in spread]
        if len(calibration) < WANTED:
            tell(f"{len(calibration)} images calibrate; about {WANTED} are wanted")
    known = {image.encoded for image in (*golden, *verify)}
    extra = [image for image in rest if image.encoded not in known]
    used = {image.encoded for image in calibration}
    # Generated pictures judge only when there are no photos: a network is unsure about them.
    compared = [*golden, *verify, *extra]
    candidates = [image for image in compared if not image.generated] or compared
    scoring = [image for image in candidates if image.encoded not in used]
    if not scoring:
        tell("every image was used for calibration, so the figures are not about images that it has not seen")
    return ImageSplit(calibration, extra, scoring or candidates, held_out=bool(scoring))
