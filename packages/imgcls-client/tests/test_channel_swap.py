"""Exchanging red and blue without a decoder, checked with one."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from imgcls_client.suite.checks.channel_swap import swap_red_and_blue
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

    Encode = Callable[..., bytes]


@pytest.fixture
def encode(image: bytes) -> Encode:
    """Encode a colourful image whose sides are no multiples of a block."""

    def start(image_format: str, mode: str = "RGB", **options: Any) -> bytes:
        buffer = io.BytesIO()
        Image.open(io.BytesIO(image)).resize((91, 67)).convert(mode).save(buffer, image_format, **options)
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


def test_exchanging_twice_gives_the_same_image(encode: Encode) -> None:
    before = encode("PNG")
    twice = swap_red_and_blue(swap_red_and_blue(before) or b"")
    assert opened(twice).tobytes() == opened(before).tobytes()


@pytest.mark.parametrize(
    ("image_format", "mode", "options"),
    [
        ("JPEG", "RGB", {}),
        ("PNG", "P", {}),
        ("PNG", "L", {}),
        ("WEBP", "RGB", {}),
    ],
)
def test_other_kinds_are_left_alone(encode: Encode, image_format: str, mode: str, options: dict[str, Any]) -> None:
    assert swap_red_and_blue(encode(image_format, mode, **options)) is None
