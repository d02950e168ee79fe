"""Exchanging red and blue without a decoder, checked with one."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from imgcls_client.suite.channel_swap import swap_red_and_blue
from PIL import Image, ImageChops

if TYPE_CHECKING:
    from collections.abc import Callable

    Encode = Callable[..., bytes]


@pytest.fixture
def encode(picture: bytes) -> Encode:
    """Encode a colourful picture whose sides are no multiples of a block."""

    def start(image_format: str, mode: str = "RGB", **options: Any) -> bytes:
        image = Image.open(io.BytesIO(picture)).resize((91, 67)).convert(mode)
        buffer = io.BytesIO()
        image.save(buffer, image_format, **options)
        return buffer.getvalue()

    return start


def opened(encoded: bytes | None, mode: str = "RGB") -> Image.Image:
    assert encoded is not None
    return Image.open(io.BytesIO(encoded)).convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_png_is_exchanged_exactly(encode: Encode, mode: str) -> None:
    original = opened(encode("PNG", mode), mode)
    red, green, blue, *alpha = original.split()
    expected = Image.merge(mode, (blue, green, red, *alpha))
    assert opened(swap_red_and_blue(encode("PNG", mode)), mode).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "options",
    [
        {"subsampling": 0},
        {"subsampling": 1},
        {"subsampling": 2},
        {"subsampling": 2, "optimize": True},
        {"subsampling": 2, "restart_marker_blocks": 3},
        {"subsampling": 0, "restart_marker_rows": 1, "quality": 20},
    ],
    ids=str,
)
def test_the_chroma_channels_of_a_jpeg_are_exchanged(encode: Encode, options: dict[str, Any]) -> None:
    """Pillow gives YCbCr as the file holds it, so only the order of the channels may differ."""
    before, after = encode("JPEG", **options), swap_red_and_blue(encode("JPEG", **options))
    luma, cb, cr = stored(before).split()
    expected = Image.merge("YCbCr", (luma, cr, cb))
    assert ImageChops.difference(stored(after), expected).getbbox() is None


def stored(encoded: bytes | None) -> Image.Image:
    assert encoded is not None
    image = Image.open(io.BytesIO(encoded))
    image.draft("YCbCr", None)
    image.load()
    assert image.mode == "YCbCr"
    return image


def test_exchanging_twice_gives_the_same_picture(encode: Encode) -> None:
    for before in (encode("PNG"), encode("JPEG")):
        twice = swap_red_and_blue(swap_red_and_blue(before) or b"")
        assert opened(twice).tobytes() == opened(before).tobytes()


@pytest.mark.parametrize(
    ("image_format", "mode", "options"),
    [
        ("JPEG", "RGB", {"progressive": True}),
        ("JPEG", "L", {}),
        ("JPEG", "CMYK", {}),
        ("PNG", "P", {}),
        ("PNG", "L", {}),
        ("WEBP", "RGB", {}),
    ],
)
def test_other_kinds_are_left_alone(encode: Encode, image_format: str, mode: str, options: dict[str, Any]) -> None:
    assert swap_red_and_blue(encode(image_format, mode, **options)) is None


def test_a_damaged_jpeg_is_left_alone(encode: Encode) -> None:
    whole = encode("JPEG")
    assert swap_red_and_blue(whole[:-200] + b"\xff\xd9") is None
