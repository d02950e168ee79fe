"""Photos large enough to be decoded at a reduced scale: those that there are, and others enlarged where they lack."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Final

from imgcls_cli.progress import Progress
from imgcls_core.artifact import MAX_GOLDEN_BYTES, MAX_GOLDEN_CASES, Preprocessing
from imgcls_networks.errors import RequestError
from imgcls_networks.pytorch_classifier import lay_over_white, opened
from PIL import Image, ImageOps

from imgcls_convert.images.files import LoadedImage
from imgcls_convert.images.selection import ImageSelection

_ENOUGH: Final = 50  # of them judge by themselves
_MOST: Final = 200  # are judged
_MOST_ENLARGED: Final = 50  # a second of a processor each
_CAMERA_PX: Final = 4000  # the longer side of 12 megapixels
_THINNEST: Final = 4  # thinner ones would become huge


def large_photos(images: ImageSelection, spec: Preprocessing, progress: Progress) -> tuple[list[LoadedImage], int]:
    """Gives photos that `spec` decodes at a reduced scale, and how many of them had to be enlarged for that.

    Enlarged ones lack a camera's finest detail, so they are added only where there are few others.

    Raises:
        RequestError: there is no photo at all.
    """
    photos = [image for image in images.compared if not image.generated]
    if not photos:
        raise RequestError(
            "`--decode scaled` is judged on photos, and none was given: name a folder of photos as callers send them "
            "with `--verify-images`, or labelled ones with `--golden`."
        )
    large = [image for image in photos if _is_reduced(image.encoded, spec)][:_MOST]
    if len(large) >= _ENOUGH:
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


def with_large_golden(images: ImageSelection, spec: Preprocessing) -> ImageSelection:
    """Adds an enlarged golden image where none is decoded at a reduced scale: else nothing would tell that it is."""
    if spec.decode == "exact" or any(_is_reduced(image.encoded, spec) for image in images.golden):
        return images
    source = next((image for image in images.golden if _is_compact(image.encoded)), images.golden[0])
    large = _enlarged(source, spec, 0)
    golden = sorted(images.golden, key=lambda image: len(image.encoded))[: MAX_GOLDEN_CASES - 1]
    while sum(len(image.encoded) for image in (*golden, large)) > MAX_GOLDEN_BYTES:
        golden.pop()
    kept = [*(image for image in images.golden if image in golden), large]
    rest = [image for image in images.compared if image not in kept]
    return replace(images, golden=kept, compared=[*kept, *rest])


def _is_reduced(encoded: bytes, spec: Preprocessing) -> bool:
    return opened(encoded, spec).size != Image.open(io.BytesIO(encoded)).size


def _is_compact(encoded: bytes) -> bool:
    size = Image.open(io.BytesIO(encoded)).size
    return max(size) <= _THINNEST * min(size)


def _enlarged(image: LoadedImage, spec: Preprocessing, longer_px: int) -> LoadedImage:
    """Enlarges an image until it is decoded at half its size, and to a longer side of so many pixels; writes a JPEG."""
    upright = lay_over_white(ImageOps.exif_transpose(Image.open(io.BytesIO(image.encoded))))
    least = spec.least_decoded_size(*upright.size)
    scale = max(
        longer_px / max(upright.size), *(2 * wanted / side for wanted, side in zip(least, upright.size, strict=True))
    )
    size = round(upright.width * scale + 1), round(upright.height * scale + 1)
    buffer = io.BytesIO()
    upright.resize(size, Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=90)
    return LoadedImage(f"{image.name}, enlarged", buffer.getvalue(), image.class_id, image.generated)
