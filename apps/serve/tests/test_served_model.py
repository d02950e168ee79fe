from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from imgcls_core import DecodeLimits, ImagePreprocessor
from imgcls_core.artifact import Preprocessing
from imgcls_serve.models.served_model import ServedModel
from PIL import Image

ORIENTATION = 0x0112


def encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def model(colours_path: Path) -> ServedModel:
    return ServedModel(
        colours_path, name="colours", provider="cpu", threads=1, at_once=1, limits=DecodeLimits(), window_s=3600
    )


def reference(model: ServedModel) -> ImagePreprocessor:
    preprocessing: Preprocessing = model.metadata.preprocessing
    return ImagePreprocessor(preprocessing)


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 9])
def test_a_turned_photo_is_turned_once_and_has_its_upright_size(
    model: ServedModel, image_format: str, orientation: int
) -> None:
    """The same pixels as core's one step from file to network, although the size is taken in between."""
    noise = np.random.default_rng(7).integers(0, 256, (60, 80, 3), np.uint8)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    file = encoded(Image.fromarray(noise), image_format, exif=exif)
    image = model.preprocess(file)
    assert np.array_equal(image.pixels, reference(model)(file))
    assert (image.width_px, image.height_px) == ((60, 80) if orientation == 6 else (80, 60))


@pytest.mark.parametrize("mode", ["L", "P", "LA", "RGBA", "CMYK", "I;16", "1"])
def test_every_kind_of_pixels_is_prepared_as_core_prepares_it(model: ServedModel, mode: str) -> None:
    noise = np.random.default_rng(8).integers(0, 256, (20, 30, 4), np.uint8)
    image = Image.fromarray(noise, "RGBA")
    image = Image.new(mode, (30, 20), 40_000) if mode == "I;16" else image.convert(mode)
    file = encoded(image, "TIFF")
    assert np.array_equal(model.preprocess(file).pixels, reference(model)(file))


def test_a_transparent_colour_becomes_white_once(model: ServedModel) -> None:
    file = encoded(Image.new("RGB", (9, 9), (255, 0, 0)), "PNG", transparency=(255, 0, 0))
    assert model.preprocess(file).pixels.min() == 255
