"""Images that a deployment has never seen, and what Pillow sees in an encoded one."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from imgcls_core.artifact.preprocessing import Preprocessing

_DRAWN = 24
_ORIENTATION = 0x0112  # of EXIF
# Each with a size of its own: from thumbnails to what cameras make.
_SIDES_PX = (16, 96, 224, 333, 640, 1024, 1600)
_CAMERA_PX = (4000, 3000)
_FORMATS: tuple[tuple[str, dict[str, object]], ...] = (
    ("PNG", {}),
    ("JPEG", {"quality": 90}),
    ("JPEG", {"quality": 80, "progressive": True}),
    ("JPEG", {"quality": 95, "subsampling": 0}),
    ("WEBP", {"lossless": True}),
    ("WEBP", {"quality": 85}),
    ("BMP", {}),
    ("TIFF", {}),
)


def seen_pixels(encoded: bytes, declared: Preprocessing | None = None) -> NDArray[np.uint8]:
    """Gives what Pillow sees: upright, transparency over white, of 16 bits the high byte; RGB uint8 [H, W, 3].

    Args:
        encoded: the image.
        declared: of an artifact; where it says so a large JPEG is decoded at a reduced scale.
    """
    image = Image.open(io.BytesIO(encoded))
    if declared is not None and declared.decode == "scaled" and image.format in {"JPEG", "MPO"}:
        width, height = image.size
        if image.getexif().get(_ORIENTATION, 1) in range(5, 9):  # it lies on its side
            height, width = declared.least_decoded_size(height, width)
        else:
            width, height = declared.least_decoded_size(width, height)
        image.draft(None, (width, height))
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, (255, 255, 255, 255)), rgba)
    return np.asarray(image.convert("RGB"))


def large_images(golden: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Makes images of the sizes that cameras make, with detail in every pixel."""
    dice = random.Random(12)  # noqa: S311 - the same images every time
    for width, height in ((1100, 900), (1600, 1200), _CAMERA_PX):
        image = _scene(dice, golden, (width, height))
        yield f"{width}×{height}.jpg", _encoded(image, "JPEG", {"quality": 88})
        if width < _CAMERA_PX[0]:
            yield f"{width}×{height}.png", _encoded(image, "PNG", {"compress_level": 1})


def drawn_images(seed: int, golden: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Draws images: crops of golden ones and generated ones, in many sizes and formats.

    Args:
        seed: the same gives the same images.
        golden: encoded images to cut from.
    """
    dice = random.Random(seed)  # noqa: S311 - a user repeats a run by its seed
    for number in range(_DRAWN):
        size = _CAMERA_PX if number == 0 else (_side(dice), _side(dice))
        image_format, options = _FORMATS[1] if number == 0 else dice.choice(_FORMATS)
        image = _scene(dice, golden, size)
        yield f"{number} {size[0]}×{size[1]} {image_format}", _encoded(image, image_format, options)


def _side(dice: random.Random) -> int:
    return dice.choice(_SIDES_PX) + dice.randrange(32)


def _scene(dice: random.Random, golden: Sequence[bytes], size: tuple[int, int]) -> Image.Image:
    """Draws a golden image's random crop, or a gradient, with shapes and fine grain over it."""
    if golden and dice.random() < 0.7:
        image = Image.fromarray(seen_pixels(dice.choice(golden)))
        left, top = dice.uniform(0, 0.4) * image.width, dice.uniform(0, 0.4) * image.height
        share = dice.uniform(0.5, 0.6)
        box = (left, top, left + share * image.width, top + share * image.height)
        image = image.resize(size, Image.Resampling.BICUBIC, box=box)
    else:
        image = Image.linear_gradient("L").resize(size).convert("RGB")
    draw = ImageDraw.Draw(image)
    for _ in range(dice.randrange(3, 9)):
        x, y = dice.randrange(size[0]), dice.randrange(size[1])
        colour = tuple(dice.randrange(256) for _ in range(3))
        draw.ellipse(
            (x, y, x + dice.randrange(2, 2 + size[0] // 2), y + dice.randrange(2, 2 + size[1] // 2)), fill=colour
        )
    grain = np.random.default_rng(dice.randrange(2**32)).integers(-24, 25, (size[1], size[0], 1))
    return Image.fromarray((np.asarray(image) + grain).clip(0, 255).astype(np.uint8))


def _encoded(image: Image.Image, image_format: str, options: dict[str, object]) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()
