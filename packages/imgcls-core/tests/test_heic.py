"""Photos as phones of Apple store them, with the extra that reads them and without."""

from __future__ import annotations

import io
import sys

import numpy as np
import pillow_heif
import pytest
from imgcls_core import DecodeLimits
from imgcls_core.errors import ImageTooLargeError, ImageUndecodableError
from imgcls_core.images.decode import decode_image
from imgcls_core.images.header import ordinary_pixels
from PIL import Image


def heic(size: tuple[int, int] = (96, 64), **options: object) -> bytes:
    ramp = np.linspace(0, 255, size[0] * size[1] * 3).reshape(size[1], size[0], 3).astype(np.uint8)
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(ramp)).save(buffer, **options)
    return buffer.getvalue()


def test_it_is_seen_as_pillow_sees_it() -> None:
    encoded = heic()
    read = pillow_heif.open_heif(io.BytesIO(encoded)).to_pillow()
    assert np.array_equal(np.asarray(decode_image(encoded, DecodeLimits())), np.asarray(read))


def test_it_is_upright() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    upright = decode_image(heic(exif=turned.tobytes()), DecodeLimits())
    lying = decode_image(heic(), DecodeLimits())
    assert upright.size == (64, 96)
    assert np.array_equal(np.asarray(upright), np.asarray(lying.transpose(Image.Transpose.ROTATE_270)))


def test_its_size_is_known_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pillow_heif.HeifImageFile, "load", lambda _: pytest.fail("it was decoded"))
    with pytest.raises(ImageTooLargeError):
        decode_image(heic(), DecodeLimits(max_pixels=96 * 64 - 1))


def test_the_work_of_decoding_it_is_never_taken_for_bounded() -> None:
    assert ordinary_pixels(heic()) is None


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_damaged_one_is_the_senders_fault(keep: float) -> None:
    encoded = heic()
    with pytest.raises(ImageUndecodableError, match="corrupt or truncated") as refused:
        decode_image(encoded[: int(len(encoded) * keep)], DecodeLimits())
    assert "BytesIO" not in str(refused.value)


def test_without_the_extra_it_is_told_what_it_is_and_what_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageUndecodableError, match=r"it is HEIC, .*imgcls-core\[heic\].*convert it to one of JPEG"):
        decode_image(heic(), DecodeLimits())
