"""Chooses which images are recorded, which calibrate and which judge; those that calibrate must not judge.

A decode at a reduced scale is judged on photos that are large enough for it, enlarged where they lack.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from imgcls_cli.progress import Progress
from imgcls_core.artifact import MAX_GOLDEN_BYTES, MAX_GOLDEN_CASES, Preprocessing
from imgcls_networks.errors import RequestError
from PIL import Image, ImageOps

from imgcls_convert.images.files import GivenImages, LabelledImage, LoadedImage
from imgcls_convert.images.generated import generated_images

ENOUGH: Final = 100  # images; more change the ranges little, fewer make them a matter of luck
_HELD_OUT_ENOUGH: Final = 50
_LARGE_ENOUGH: Final = 50  # of them judge by themselves
_MOST_LARGE: Final = 200  # are judged
_MOST_ENLARGED: Final = 50  # a second of a processor each
_CAMERA_PX: Final = 4000  # the longer side of 12 megapixels
_THINNEST: Final = 4  # thinner ones would become huge
_ORIENTATION: Final = 0x0112  # in EXIF


@dataclass(frozen=True)
class ImageSelection:
    """The images of one conversion.

    Args:
        golden: travel inside the artifact; the first of `compared`.
        compared: all on which the artifact is compared with PyTorch.
        calibration: set the ranges of int8 and choose the layers that stay float; empty for fp32.
        scoring: judge a reduced artifact.
        held_out: False when calibrating images had to judge.
        large: photos that the preprocessing decodes at a reduced scale; judge that. Empty where none is to be judged.
        enlarged: how many of `large` were made from smaller ones.
    """

    golden: Sequence[LoadedImage]
    compared: Sequence[LoadedImage]
    calibration: Sequence[LoadedImage] = ()
    scoring: Sequence[LoadedImage] = ()
    held_out: bool = True
    large: Sequence[LoadedImage] = ()
    enlarged: int = 0


def select_images(
    given: GivenImages, classes: int, spec: Preprocessing, *, reduced: bool, judged: bool, progress: Progress
) -> ImageSelection:
    """Reads the images and divides them.

    Args:
        given: as the user named them.
        classes: length of the network's output.
        spec: what is done to them.
        reduced: whether a smaller precision is asked for.
        judged: whether they judge.
        progress: told what is assumed or left out.

    Raises:
        RequestError: not even one golden image fits, a label is no class of the network, or there is no photo that
            could judge a decode at a reduced scale.
    """
    golden = _golden(given.golden, progress)
    if spec.decode == "scaled":
        golden = _with_large(golden, spec)
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
    if spec.decode == "scaled" and judged:
        large, enlarged = _large_photos(chosen.compared, spec, progress)
        chosen = replace(chosen, large=large, enlarged=enlarged)
    return chosen


def evenly_spread(length: int, most: int) -> list[int]:
    """Gives so many places of a list at most, the first and the last among them."""
    return np.linspace(0, length - 1, min(most, length)).round().astype(int).tolist()


def _golden(images: Sequence[LabelledImage] | None, progress: Progress) -> list[LoadedImage]:
    """Takes at most 16 images of 2 MB in all, evenly spread over a longer list; generated ones when there are none."""
    if images is None:
        return [LoadedImage(name, encoded, generated=True) for name, encoded in generated_images().items()]
    chosen = list(images)
    if len(chosen) > MAX_GOLDEN_CASES:
        chosen = [chosen[i] for i in evenly_spread(len(chosen), MAX_GOLDEN_CASES)]
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
        spread = {*evenly_spread(len(loaded), most)}
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


def _with_large(golden: list[LoadedImage], spec: Preprocessing) -> list[LoadedImage]:
    """Adds an enlarged image where none is decoded at a reduced scale: else nothing would tell that it is."""
    if any(_is_reduced(image.encoded, spec) for image in golden):
        return golden
    large = _enlarged(next((image for image in golden if _is_compact(image.encoded)), golden[0]), spec, 0)
    kept = sorted(golden, key=lambda image: len(image.encoded))[: MAX_GOLDEN_CASES - 1]
    while sum(len(image.encoded) for image in (*kept, large)) > MAX_GOLDEN_BYTES:
        kept.pop()
    return [*(image for image in golden if image in kept), large]


def _large_photos(
    images: Sequence[LoadedImage], spec: Preprocessing, progress: Progress
) -> tuple[list[LoadedImage], int]:
    """Gives photos that are decoded at a reduced scale, and how many of them had to be enlarged for that.

    Enlarged ones lack a camera's finest detail, so they are added only where there are few others.
    """
    photos = [image for image in images if not image.generated]
    if not photos:
        raise RequestError(
            "`--decode scaled` is judged on photos, and none was given: name a folder of photos as callers send them "
            "with `--verify-images`, or labelled ones with `--golden`."
        )
    large = [image for image in photos if _is_reduced(image.encoded, spec)][:_MOST_LARGE]
    if len(large) >= _LARGE_ENOUGH:
        return large, 0
    small = [image for image in photos if image not in large]
    compact = [image for image in small if _is_compact(image.encoded)][:_MOST_ENLARGED]
    enlarged = [_enlarged(image, spec, _CAMERA_PX) for image in compact]
    progress.note(
        f"{len(large)} of {len(photos)} photos are large enough to be decoded at a reduced scale; {len(enlarged)} "
        f"others were enlarged to {_CAMERA_PX} px to judge it, and have less detail than a camera's: large photos in "
        "`--verify-images` say more"
    )
    return [*large, *enlarged], len(enlarged)


def _is_reduced(encoded: bytes, spec: Preprocessing) -> bool:
    image = Image.open(io.BytesIO(encoded))
    size = image.size[::-1] if image.getexif().get(_ORIENTATION, 1) in range(5, 9) else image.size
    least = spec.least_decoded_size(*size)
    return image.format in {"JPEG", "MPO"} and all(side >= 2 * kept for side, kept in zip(size, least, strict=True))


def _is_compact(encoded: bytes) -> bool:
    size = Image.open(io.BytesIO(encoded)).size
    return max(size) <= _THINNEST * min(size)


def _enlarged(image: LoadedImage, spec: Preprocessing, longer_px: int) -> LoadedImage:
    """Enlarges an image until it is decoded at half its size, and to a longer side of so many pixels; writes a JPEG."""
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(image.encoded))).convert("RGB")
    least = spec.least_decoded_size(*upright.size)
    scale = max(
        longer_px / max(upright.size), *(2 * wanted / side for wanted, side in zip(least, upright.size, strict=True))
    )
    size = round(upright.width * scale + 1), round(upright.height * scale + 1)
    buffer = io.BytesIO()
    upright.resize(size, Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=90)
    return LoadedImage(f"{image.name}, enlarged", buffer.getvalue(), image.class_id, image.generated)
