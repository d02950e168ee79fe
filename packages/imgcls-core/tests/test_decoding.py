"""Images whose cost nothing bounds are decoded in a process that can be ended; the others as ever."""

from __future__ import annotations

import io
import os
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from imgcls_core import DecodeLimits, ImagePreprocessor, ImageTooLargeError, ImageUndecodableError, Preprocessing
from imgcls_core.decoding.bounded import BoundedDecoder
from imgcls_core.decoding.isolated import IsolatedDecoder
from imgcls_core.decoding.messages import DecodeRequest, write_message
from imgcls_core.errors import ImageTooCostlyError
from PIL import Image

PREPROCESSOR = ImagePreprocessor(
    Preprocessing((24, 20), "squash", None, None, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "13.0.0"),
    DecodeLimits(max_bytes=20_000_000, max_pixels=25_000_000),
)


def noise(image_format: str, size: tuple[int, int] = (60, 40)) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(buffer, image_format)
    return buffer.getvalue()


def short_lines() -> bytes:
    """Run-length lines of one pixel: Pillow pads each pixel of the rest in Python, for seconds."""
    body = b"\x01\x01\x00\x00" * 380
    header = struct.pack("<IiiHHIIiiII", 40, 65_000, 380, 1, 8, 1, len(body), 0, 0, 2, 2)
    return b"BM" + struct.pack("<IHHI", 62 + len(body), 0, 0, 62) + header + bytes(8) + body


@pytest.fixture
def decoder() -> Iterator[IsolatedDecoder]:
    made = IsolatedDecoder()
    yield made
    made.close()


def always() -> bool:
    return True


@pytest.mark.parametrize("image_format", ["GIF", "TIFF", "PNG"])
def test_a_process_gives_the_same_pixels_and_size(decoder: IsolatedDecoder, image_format: str) -> None:
    file = noise(image_format)
    apart, here = decoder.prepare(PREPROCESSOR, file, always), PREPROCESSOR.prepare(file)
    assert apart is not None
    assert np.array_equal(apart.pixels, here.pixels)
    assert (apart.width_px, apart.height_px) == (60, 40)


def test_what_is_wrong_with_an_image_is_said_as_ever(decoder: IsolatedDecoder) -> None:
    for file, kind in (
        (b"no image", ImageUndecodableError),
        (noise("TIFF")[:-999], ImageUndecodableError),
        (short_lines()[:18] + struct.pack("<ii", 60_000, 60_000) + short_lines()[26:], ImageTooLargeError),
        (bytes(20_000_001), ImageTooLargeError),
    ):
        with pytest.raises(kind) as apart:
            decoder.prepare(PREPROCESSOR, file, always)
        with pytest.raises(kind) as here:
            PREPROCESSOR.prepare(file)
        assert str(apart.value) == str(here.value)


def test_an_image_that_takes_too_long_ends_its_process_and_the_next_one_is_decoded(decoder: IsolatedDecoder) -> None:
    with pytest.raises(ImageTooCostlyError, match="1 s of a processor"):
        decoder.prepare(PREPROCESSOR, short_lines(), always)
    assert decoder.prepare(PREPROCESSOR, noise("GIF"), always) is not None


def test_an_image_that_nobody_wants_any_more_ends_its_process(decoder: IsolatedDecoder) -> None:
    assert decoder.prepare(PREPROCESSOR, short_lines(), lambda: False) is None
    assert decoder.prepare(PREPROCESSOR, noise("GIF"), always) is not None


def test_a_process_that_was_ended_while_it_was_idle_is_replaced(decoder: IsolatedDecoder) -> None:
    assert decoder.prepare(PREPROCESSOR, noise("GIF"), always) is not None
    process = decoder._process  # pyright: ignore[reportPrivateUsage]
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert decoder.prepare(PREPROCESSOR, noise("GIF"), always) is not None


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process are read from /proc")
def test_a_process_has_limits_of_memory_and_files(decoder: IsolatedDecoder) -> None:
    assert decoder.prepare(PREPROCESSOR, noise("GIF"), always) is not None
    process = decoder._process  # pyright: ignore[reportPrivateUsage]
    assert process is not None
    limits = Path(f"/proc/{process.pid}/limits").read_text(encoding="ascii")
    (memory,) = re.findall(r"Max address space +(\d+)", limits)
    assert int(memory) < 4_000_000_000
    assert re.search(r"Max file size +0 ", limits)


def test_only_what_the_header_does_not_bound_is_decoded_apart() -> None:
    bounded = BoundedDecoder(PREPROCESSOR)
    ordinary, other = noise("JPEG"), noise("GIF")
    for file in (ordinary, other):
        assert np.array_equal(bounded.prepare(file).pixels, PREPROCESSOR.prepare(file).pixels)
    with pytest.raises(ImageTooCostlyError):
        bounded.prepare(short_lines())
    assert bounded.prepare(ordinary).width_px == 60


def test_a_process_whose_owner_has_ended_ends_without_a_word() -> None:
    preprocessor, file, sent = PREPROCESSOR, noise("PNG"), io.BytesIO()
    limits = preprocessor.limits
    write_message(sent, DecodeRequest(preprocessor.preprocessing, limits.max_bytes, limits.max_pixels), file)
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "imgcls_core.decoding.process"]
    ended = subprocess.run(command, input=sent.getvalue(), stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, b"")
