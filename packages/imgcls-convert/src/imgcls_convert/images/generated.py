"""Deterministic test images for golden cases, for when nobody gives photos.

Each shows something that another part of the preprocessing would spoil: colours (channel order, mean), an F-like
shape (flips, orientation), fine stripes and noise (resize filter, antialias, half-pixel shifts), and odd sizes. They
come as callers send images: PNG of four kinds, and JPEG baseline and progressive, in colour and gray, lying on its
side and large enough to be decoded at a reduced scale.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


@cache
def generated_images() -> Mapping[str, bytes]:
    """Gives name → encoded image; the same bytes on every machine with the same Pillow."""
    return MappingProxyType({name: encode(Image.fromarray(draw())) for name, (draw, encode) in _IMAGES.items()})


def _png(image: Image.Image) -> bytes:
    return _saved(image, "PNG", optimize=True)


def _png_with_alpha(image: Image.Image) -> bytes:
    """Lets a ring around the middle fade away, over colours of its own."""
    y, x = _grid(image.height, image.width)
    alpha = np.clip(900 * np.abs(np.hypot(y - 0.5, x - 0.5) - 0.3), 0, 255) // 51 * 51
    image.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    return _png(image)


def _png_with_palette(image: Image.Image) -> bytes:
    """Has one transparent colour, that of the corner."""
    palette = image.quantize(16, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    return _saved(palette, "PNG", transparency=palette.getpixel((0, 0)))


def _gray_png(image: Image.Image) -> bytes:
    return _png(image.convert("L"))


def _jpeg(image: Image.Image) -> bytes:
    return _saved(image, "JPEG", quality=90, subsampling="4:2:0")


def _progressive_jpeg(image: Image.Image) -> bytes:
    return _saved(image, "JPEG", quality=75, subsampling="4:2:0", progressive=True)


def _gray_jpeg(image: Image.Image) -> bytes:
    return _saved(image.convert("L"), "JPEG", quality=90)


def _jpeg_on_its_side(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter to be upright
    return _saved(image.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=90, exif=exif)


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _grid(height: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    y, x = np.mgrid[0:height, 0:width]
    return y / height, x / width


def _steps(values: NDArray[np.float64]) -> Pixels:
    """Steps of 8 keep gradients small as PNG."""
    return (values // 8 * 8).astype(np.uint8)


def _colour_bars() -> Pixels:
    bars = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255], [255, 0, 255]], np.uint8)
    return np.repeat(np.repeat(bars[np.newaxis], 50, axis=1), 240, axis=0)


def _warm_gradient() -> Pixels:
    y, x = _grid(375, 500)
    return _steps(np.stack([255 * x, 160 * y, 60 * (1 - x)], axis=-1))


def _cool_gradient() -> Pixels:
    y, x = _grid(500, 333)
    return _steps(np.stack([40 * y, 140 * x, 255 * (1 - y)], axis=-1))


def _letter() -> Pixels:
    pixels = np.full((300, 260, 3), (235, 225, 200), np.uint8)
    for top, bottom, left, right in ((40, 260, 60, 100), (40, 80, 60, 210), (130, 165, 60, 170)):
        pixels[top:bottom, left:right] = (30, 60, 120)
    return pixels


def _stripes() -> Pixels:
    """Draws one-pixel stripes: without antialias they turn into coarse bands."""
    y, x = np.mgrid[0:480, 0:641]
    light = np.where((x // 1 + y // 3) % 2 == 0, 250, 20)
    return np.stack([light, light * 0.8, 255 - light], axis=-1).astype(np.uint8)


def _rings() -> Pixels:
    """Draws a zone plate in two colours: every spatial frequency at once, and still small as a file."""
    y, x = _grid(451, 451)
    light = np.cos(900 * np.hypot(y - 0.45, x - 0.55) ** 2) > 0
    return np.where(light[..., np.newaxis], (250, 40, 210), (20, 200, 110)).astype(np.uint8)


def _coloured_noise() -> Pixels:
    """Draws eight colours at random, one pixel each."""
    bits = np.random.default_rng(20180).integers(0, 2, (190, 277, 3), dtype=np.uint8)
    return bits * np.uint8(255)


def _small_blocks() -> Pixels:
    """Draws blocks smaller than any network's input: enlarging is exercised too."""
    blocks = np.random.default_rng(7).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return np.repeat(np.repeat(blocks, 7, axis=0), 6, axis=1)


def _landscape() -> Pixels:
    """Draws hills before a sky, with fields and a sun: as large, smooth and detailed as a photo."""
    y, x = _grid(900, 1200)
    sky = np.stack([90 + 120 * y, 140 + 80 * y, 240 - 40 * y], axis=-1)
    field = ((x * 9 + y * 14) // 1 + (y * 25) // 1) % 2
    land = np.stack([70 + 120 * field, 130 + 50 * field + 40 * np.sin(60 * x), 40 + 30 * y * field], axis=-1)
    image = np.where((y > 0.55 + 0.12 * np.sin(7 * x + 1))[..., np.newaxis], land, sky)
    sun = np.hypot(y - 0.2, (x - 0.75) * 4 / 3) < 0.09
    image[sun] = (255, 230, 90)
    return np.clip(image, 0, 255).astype(np.uint8)


def _mosaic() -> Pixels:
    """Draws large tiles in many colours."""
    tiles = np.random.default_rng(3).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.repeat(np.repeat(tiles, 60, axis=0), 50, axis=1)


# File name → how it is drawn, and how encoded.
_IMAGES: Final[dict[str, tuple[Callable[[], Pixels], Callable[[Image.Image], bytes]]]] = {
    "colour_bars.png": (_colour_bars, _png),
    "warm_gradient.jpg": (_warm_gradient, _jpeg),
    "cool_gradient.png": (_cool_gradient, _png),
    "letter_f.png": (_letter, _png),
    "letter_f_on_its_side.jpg": (_letter, _jpeg_on_its_side),
    "stripes.png": (_stripes, _png),
    "rings.png": (_rings, _png),
    "coloured_noise.png": (_coloured_noise, _png),
    "small_blocks.png": (_small_blocks, _png),
    "landscape.jpg": (_landscape, _progressive_jpeg),
    "mosaic_gray.jpg": (_mosaic, _gray_jpeg),
    "rings_gray.png": (_rings, _gray_png),
    "mosaic_with_alpha.png": (_mosaic, _png_with_alpha),
    "mosaic_with_palette.png": (_mosaic, _png_with_palette),
}
