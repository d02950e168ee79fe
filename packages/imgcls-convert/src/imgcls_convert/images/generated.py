"""Deterministic test images for golden cases, for when nobody gives photos.

Each shows something that another part of the preprocessing would spoil: colours (channel order, mean), an F-like
shape (flips, orientation), fine stripes and noise (resize filter, antialias, half-pixel shifts), and odd sizes.
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
    """Gives name → PNG; the same bytes on every machine with the same Pillow."""
    return MappingProxyType({f"{name}.png": _png(draw()) for name, draw in _PICTURES.items()})


def _png(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
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


_PICTURES: Final[dict[str, Callable[[], Pixels]]] = {
    "colour_bars": _colour_bars,
    "warm_gradient": _warm_gradient,
    "cool_gradient": _cool_gradient,
    "letter_f": _letter,
    "stripes": _stripes,
    "rings": _rings,
    "coloured_noise": _coloured_noise,
    "small_blocks": _small_blocks,
}
