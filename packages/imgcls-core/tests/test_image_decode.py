"""Expectations are the design's: RGB, upright, alpha over white, high byte of 16 bits, limits before pixels."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imgcls_core import DecodeLimits, ImageError, ImageTooLargeError, ImageUndecodableError
from imgcls_core.images.decode import decode_image
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, TiffTags

Encode = Callable[..., bytes]

LIMITS = DecodeLimits()
RED, BLUE = (255, 0, 0), (0, 0, 255)


def decode(source: Any, limits: DecodeLimits = LIMITS) -> NDArray[np.uint8]:
    return np.asarray(decode_image(source, limits))


@pytest.mark.parametrize("format_", ["PNG", "BMP", "GIF", "TIFF", "WEBP"])
def test_lossless_formats_give_the_pixels_that_were_saved(encode: Encode, format_: str) -> None:
    image = Image.new("RGB", (20, 10), RED)
    options = {"lossless": True} if format_ == "WEBP" else {}
    assert (decode(encode(image, format_, **options)) == RED).all()


def test_jpeg_keeps_red_red_and_blue_blue(encode: Encode) -> None:
    for colour, channel in ((RED, 0), (BLUE, 2)):
        assert decode(encode(Image.new("RGB", (32, 32), colour), "JPEG")).mean((0, 1)).argmax() == channel


def test_a_path_a_file_and_bytes_give_the_same_pixels(encode: Encode, tmp_path: Path) -> None:
    encoded = encode(Image.new("RGB", (9, 7), (1, 2, 3)))
    path = tmp_path / "x.png"
    path.write_bytes(encoded)
    expected = decode(encoded)
    for source in (path, str(path), io.BytesIO(encoded), bytearray(encoded), memoryview(encoded), Image.open(path)):
        assert np.array_equal(decode(source), expected)


def test_pixels_pass_unchanged_and_other_arrays_are_refused() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    assert np.array_equal(decode(pixels), pixels)
    with pytest.raises(ImageUndecodableError, match=r"float32 \[5, 6, 3\]; RGB pixels are uint8"):
        decode(pixels.astype(np.float32))


def test_grayscale_becomes_three_equal_channels(encode: Encode) -> None:
    assert (decode(encode(Image.new("L", (4, 4), 77))) == 77).all()


def test_transparent_pixels_of_rgba_lie_over_white(encode: Encode) -> None:
    assert (decode(encode(Image.new("RGBA", (4, 4), (255, 0, 0, 0)))) == 255).all()
    half = decode(encode(Image.new("RGBA", (4, 4), (255, 0, 0, 128))))
    assert half[0, 0].tolist() == [255, 127, 127]


def test_the_transparent_colour_of_a_palette_lies_over_white(encode: Encode) -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([10, 20, 30, 255, 0, 0])
    image.putpixel((1, 1), 1)
    pixels = decode(encode(image, transparency=0))
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[1, 1].tolist() == [255, 0, 0]


def test_the_transparent_colour_of_an_rgb_png_lies_over_white(encode: Encode) -> None:
    assert (decode(encode(Image.new("RGB", (4, 4), (9, 9, 9)), transparency=(9, 9, 9))) == 255).all()


def test_cmyk_jpeg_becomes_rgb(encode: Encode) -> None:
    pixels = decode(encode(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), "JPEG"))
    assert pixels.shape == (32, 32, 3)
    assert pixels.mean((0, 1)).argmax() == 0, "cyan 0, magenta and yellow full is red"


def test_sixteen_bit_grayscale_keeps_its_high_byte(encode: Encode) -> None:
    """A plain `convert` would clip everything above 255 to white."""
    ramp = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    assert np.array_equal(decode(encode(ramp))[..., 0], np.arange(256).reshape(16, 16))


def test_thirty_two_bit_samples_are_refused_because_their_range_is_unknown(encode: Encode) -> None:
    with pytest.raises(ImageUndecodableError, match="32-bit samples"):
        decode(encode(Image.new("F", (4, 4), 0.5), "TIFF"))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(encode: Encode, orientation: int) -> None:
    """The eight orientations of the EXIF standard, tag 0x0112: the dark corner belongs at the top left."""
    upright = np.full((4, 6, 3), 200, np.uint8)
    upright[0, 0] = 0
    # how a camera stores the upright image for each value
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: upright.swapaxes(0, 1)[::-1],
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: upright.swapaxes(0, 1)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(decode(encode(np.ascontiguousarray(stored), exif=exif)), upright)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
def test_a_broken_exif_block_does_not_cost_the_image(encode: Encode) -> None:
    encoded = encode(Image.new("RGB", (8, 8), RED), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert decode(encoded).shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("frames", "options"),
    [("GIF", {}), ("WEBP", {"lossless": True}), ("TIFF", {})],
)
def test_the_first_frame_of_an_animation_is_taken(encode: Encode, frames: list[str], options: dict[str, Any]) -> None:
    first, second = Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), BLUE)
    assert (decode(encode(first, frames, save_all=True, append_images=[second], **options)) == RED).all()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"", "it is empty"),
        (b"this is a text file, not an image", "it is none of JPEG, PNG, WEBP, BMP, GIF, TIFF, AVIF"),
        (b"\x89PNG\r\n\x1a\n", "it is"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it is SVG, which has no pixels; convert it to one of JPEG"),
        (b"<?xml version='1.0'?>\n<!-- of an editor -->\n<svg>", "it is SVG, .*; convert it to one of JPEG"),
        (b"\xef\xbb\xbf<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN'>", "it is SVG"),
        (b"<!-- saved -->\n<HTML lang=en>", "it is a web page; send the image that it shows"),
        (b"<!--" * 1000, "it is none of"),
        (b"<!---->" * 500 + b"?", "it is none of"),
        (b"#!/bin/sh\necho hello\n", "it is a program; send an image"),
        (b"PK\x05\x06" + bytes(18), "it is an archive; send the images in it one by one"),
        (b"a.jpg".ljust(257, b"\0") + b"ustar\0", "it is an archive"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1", "it is a camera's raw file; convert it to one of JPEG"),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(200), "it is a camera's raw file; convert it to one of JPEG"),
        (b"MM\0*" + bytes(200) + b"NIKON CORPORATION\0", "it is a camera's raw file or a damaged TIFF; convert"),
        (b"\0\0\2\0\1\0", "it is an icon"),
        (b"P6\n2 2\n255\n" + bytes(12), "it is PPM, PGM or a relative of them; convert it"),
        (b"/9j/4AAQSkZJRgABAQ", "it is base64 text; send the bytes"),
        (b"data:image/png;base64,iVBORw0KGgo", "it is a data URI; send the bytes"),
        (b"\0\0\0\x1cftypavif" + bytes(40), "it is AVIF, but corrupt or truncated; send it anew"),
    ],
)
def test_what_is_no_image_is_named(source: Any, reason: str) -> None:
    with pytest.raises(ImageUndecodableError, match=reason):
        decode(source)


def test_a_raw_file_that_begins_as_a_tiff_is_named_where_its_pixels_cannot_be_decoded(encode: Encode) -> None:
    tiff = TiffImagePlugin.ImageFileDirectory_v2()
    tiff.tagtype[0xC612] = TiffTags.BYTE
    tiff[0xC612] = b"\x01\x04\x00\x00"  # the version of DNG
    whole = encode(Image.new("RGB", (8, 8), RED), "TIFF", tiffinfo=tiff)
    assert (decode(whole) == RED).all()
    lossless = whole.replace(struct.pack("<HHIH", 259, 3, 1, 1), struct.pack("<HHIH", 259, 3, 1, 7))
    with pytest.raises(ImageUndecodableError, match="it is a camera's raw file; convert it to one of JPEG"):
        decode(lossless)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_a_truncated_file_is_undecodable(encode: Encode, format_: str) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    encoded = encode(pixels, format_)
    with pytest.raises(ImageUndecodableError):
        decode(encoded[: len(encoded) // 2])


@pytest.mark.parametrize("format_", ["PNG", "GIF"])
def test_a_file_whose_data_are_overwritten_is_undecodable(encode: Encode, format_: str) -> None:
    encoded = encode(np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8), format_)
    middle = len(encoded) // 3
    with pytest.raises(ImageUndecodableError):
        decode(encoded[:middle] + b"\x55" * 300 + encoded[middle + 300 :])


def test_too_many_bytes_are_refused_with_both_numbers(encode: Encode) -> None:
    with pytest.raises(ImageTooLargeError, match="at most 100 are allowed") as refused:
        decode(
            encode(np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)), DecodeLimits(max_bytes=100)
        )
    assert refused.value.unit == "bytes"


@pytest.mark.parametrize("side", [8_000, 10_000, 20_000, 60_000])
def test_a_png_bomb_is_refused_by_its_header_alone(side: int) -> None:
    """Below, between and above Pillow's own two limits; the pixels are never allocated."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    with pytest.raises(ImageTooLargeError) as refused:
        decode(bomb)
    assert (refused.value.unit, refused.value.actual) == ("pixels", side * side)


def test_limits_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="max_pixels is 0"):
        DecodeLimits(max_pixels=0)
    with pytest.raises(ValueError, match="max_bytes is -1"):
        DecodeLimits(max_bytes=-1)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), format_=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"]))
def test_damaged_files_decode_or_raise_an_image_error_and_nothing_else(data: st.DataObject, format_: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(5).integers(0, 256, (24, 31, 3), dtype=np.uint8)).save(buffer, format_)
    encoded = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 12))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    encoded = encoded[: data.draw(st.integers(0, len(encoded)))]
    try:
        pixels = decode(bytes(encoded), DecodeLimits(max_pixels=1_000_000))
    except ImageError:
        return
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
