"""The yardstick is Pillow's own resize, with torchvision's rules for the shorter edge and the centre crop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imgcls_core import DecodeLimits, ImagePreprocessor, ImageTooLargeError, Preprocessing
from imgcls_core.images.preprocess import crop_start, shortest_edge_size
from numpy.typing import NDArray
from PIL import Image


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_squash_is_pillows_bilinear_resize(squash: Preprocessing) -> None:
    pixels = noise(375, 500)
    expected = np.asarray(Image.fromarray(pixels).resize((224, 224), Image.Resampling.BILINEAR))
    assert np.array_equal(ImagePreprocessor(squash).shrink(pixels), expected)


def test_an_image_of_the_native_size_passes_unchanged(squash: Preprocessing, shortest_edge: Preprocessing) -> None:
    for spec in (squash, shortest_edge):
        pixels = noise(*spec.native_size)
        assert np.array_equal(ImagePreprocessor(spec).shrink(pixels), pixels)


def test_shrinking_twice_changes_nothing(shortest_edge: Preprocessing) -> None:
    preprocess = ImagePreprocessor(shortest_edge)
    once = preprocess(noise(300, 411))
    assert np.array_equal(preprocess(once), once)


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 700), width=st.integers(1, 700), crop=st.integers(200, 256))
def test_the_native_square_holds_exactly_the_crop_of_the_whole_resized_image(
    height: int, width: int, crop: Any
) -> None:
    spec = Preprocessing((crop, crop), "shortest_edge", 256, "center", "bilinear", (0.5,) * 3, (0.5,) * 3, "13.0.0")
    if max(height, width) > 40 * min(height, width):
        return
    pixels = noise(height, width)
    size = shortest_edge_size((width, height), 256)
    whole = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
    top, left = crop_start(size[1], crop), crop_start(size[0], crop)
    expected = whole[top : top + crop, left : left + crop]
    inner = crop_start(256, crop)
    native = ImagePreprocessor(spec).shrink(pixels)
    assert np.array_equal(native[inner : inner + crop, inner : inner + crop], expected)


def test_a_strip_that_would_grow_without_bound_is_refused(shortest_edge: Preprocessing) -> None:
    preprocess = ImagePreprocessor(shortest_edge, DecodeLimits(max_pixels=1_000_000))
    with pytest.raises(ImageTooLargeError, match="pixels after the resize"):
        preprocess(noise(1, 20_000))


@pytest.mark.parametrize(
    ("mode", "resize_size", "crop"),
    [
        ("squash", 256, None),
        ("shortest_edge", None, "center"),
        ("shortest_edge", 200, "center"),
        ("letterbox", None, None),
    ],
)
def test_preprocessing_that_contradicts_itself_is_refused(mode: str, resize_size: int | None, crop: Any) -> None:
    with pytest.raises(ValueError, match="resize_mode"):
        Preprocessing((224, 224), mode, resize_size, crop, "bilinear", (0.5,) * 3, (0.5,) * 3, "13.0.0")
