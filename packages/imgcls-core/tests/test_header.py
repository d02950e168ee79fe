"""What is decoded beside other work, and what only by a process that can be ended."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imgcls_core.images.header import ordinary_pixels
from PIL import Image


def encoded(image_format: str, mode: str = "RGB", size: tuple[int, int] = (40, 30), **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, 100 if mode in {"L", "P"} else None).save(buffer, image_format, **options)
    return buffer.getvalue()


ORDINARY = {
    "baseline JPEG": encoded("JPEG"),
    "grey JPEG": encoded("JPEG", "L"),
    "progressive JPEG": encoded("JPEG", progressive=True),
    "JPEG with EXIF, XMP, a profile and a comment": encoded(
        "JPEG", exif=Image.Exif().tobytes() or b"Exif\0\0", xmp=b"<x/>", icc_profile=bytes(100), comment=b"hello"
    ),
    "PNG": encoded("PNG"),
    "PNG with a palette": encoded("PNG", "P"),
    "PNG with transparency": encoded("PNG", "RGBA"),
    "WebP": encoded("WEBP"),
    "lossless WebP": encoded("WEBP", lossless=True),
    "WebP with transparency": encoded("WEBP", "RGBA"),
    "BMP": encoded("BMP"),
}
COSTLY = {
    "GIF": encoded("GIF", "P"),
    "TIFF": encoded("TIFF"),
    "CMYK JPEG": encoded("JPEG", "CMYK"),
    "interlaced PNG": encoded("PNG")[:28] + b"\x01" + encoded("PNG")[29:],
    "PNG of 16 bits": encoded("PNG", "I;16"),
    "animated WebP": encoded("WEBP", save_all=True, append_images=[Image.new("RGB", (40, 30), (9, 9, 9))]),
    "a JPEG with padding": encoded("JPEG")[:2] + b"\xff" * 9 + encoded("JPEG")[2:],
    "a JPEG with many segments": encoded("JPEG")[:2] + b"\xff\xfe\x00\x02" * 99 + encoded("JPEG")[2:],
    "a JPEG that claims to be huge": encoded("JPEG").replace(
        struct.pack(">HH", 30, 40), struct.pack(">HH", 60_000, 60_000)
    ),
    "a long strip": encoded("PNG", size=(20_000, 1)),
    "nothing": b"",
    "text": b"hello world, this is no image at all",
}


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_image_is_known_with_its_pixels(name: str) -> None:
    assert ordinary_pixels(ORDINARY[name]) == 1200
    assert ordinary_pixels(memoryview(bytearray(ORDINARY[name]))) == 1200


@pytest.mark.parametrize("name", COSTLY)
def test_what_is_rare_or_has_no_bound_is_not_ordinary(name: str) -> None:
    assert ordinary_pixels(COSTLY[name]) is None


@pytest.mark.parametrize("name", ORDINARY)
def test_a_header_that_ends_too_soon_tells_no_size(name: str) -> None:
    file = ORDINARY[name]
    assert {ordinary_pixels(file[:end]) for end in range(len(file))} <= {None, 1200}


@given(st.sampled_from(sorted(ORDINARY)), st.integers(0, 2000), st.binary(max_size=40))
def test_a_damaged_header_is_only_looked_at(name: str, start: int, damage: bytes) -> None:
    file = ORDINARY[name]
    found = ordinary_pixels(file[:start] + damage + file[start + len(damage) :])
    assert found is None or found > 0


def test_transparency_is_laid_over_white_as_in_one_piece() -> None:
    """Some rows at a time, with the pixels of a whole image."""
    from imgcls_core.images.decode import DecodeLimits, decode_image

    noise = np.random.default_rng(0).integers(0, 256, (150, 70, 4), np.uint8)
    for mode in ("RGBA", "LA", "PA"):
        image = Image.fromarray(noise).convert("RGBA" if mode == "RGBA" else "LA")
        image = image if mode != "PA" else image.convert("PA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        whole = Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
        assert np.array_equal(np.asarray(decode_image(image, DecodeLimits())), np.asarray(whole))
