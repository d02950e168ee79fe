"""Large JPEGs at a reduced scale where an artifact declares it: Pillow's own draft is the yardstick."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imgcls_core import ImagePreprocessor, OnnxClassifier, Preprocessing
from imgcls_core.artifact import ArtifactMetadata
from imgcls_core.errors import ArtifactMetadataError
from imgcls_core.verification.drawn_images import seen_pixels
from msgspec.structs import replace
from PIL import Image, ImageOps

SQUASH = Preprocessing((20, 30), "squash", None, None, "bilinear", (0.5,) * 3, (0.5,) * 3, "13.0.0", decode="scaled")
EDGE = replace(SQUASH, size=(24, 24), resize_mode="shortest_edge", resize_size=28, crop="center")
LETTERBOX = replace(SQUASH, resize_mode="letterbox", pad_color=(1, 2, 3))


def jpeg(width: int, height: int, mode: str = "RGB", orientation: int = 1) -> bytes:
    noise = np.random.default_rng(3).integers(0, 256, (height, width, len(mode)), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(noise.squeeze(), mode).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_large_jpeg_is_decoded_as_pillow_drafts_it_whatever_its_colours_and_its_orientation(
    mode: str, orientation: int
) -> None:
    encoded = jpeg(500, 170, mode, orientation)
    drafted = Image.open(io.BytesIO(encoded))
    # Upright it is resized to 30 × 20 px: of 500 × 170 a quarter has 125 × 43, of 170 × 500 half 85 × 250 px.
    drafted.draft(None, (60, 40) if orientation <= 4 else (40, 60))
    assert drafted.size == ((125, 43) if orientation <= 4 else (250, 85))
    expected = np.asarray(ImageOps.exif_transpose(drafted).convert("RGB"))
    preprocess = ImagePreprocessor(SQUASH)
    assert np.array_equal(preprocess.decode(encoded), expected)
    assert np.array_equal(seen_pixels(encoded, SQUASH), expected)
    prepared = preprocess.prepare(encoded)
    assert np.array_equal(prepared.pixels, preprocess.shrink(expected))
    # What is said of the image is its own size.
    assert (prepared.width_px, prepared.height_px) == ((500, 170) if orientation <= 4 else (170, 500))


@pytest.mark.parametrize("spec", [SQUASH, EDGE, LETTERBOX], ids=["squash", "edge", "letterbox"])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(width=st.integers(1, 700), height=st.integers(1, 700))
def test_no_side_falls_below_twice_what_it_is_resized_to(spec: Preprocessing, width: int, height: int) -> None:
    whole = Image.new("RGB", (width, height))
    buffer = io.BytesIO()
    whole.save(buffer, "JPEG")
    decoded_h, decoded_w, _ = ImagePreprocessor(spec).decode(buffer.getvalue()).shape
    if (decoded_w, decoded_h) == (width, height):
        return
    if spec is SQUASH:
        resized_w, resized_h = 30, 20
    elif spec is EDGE:
        resized_w, resized_h = (28 * side / min(width, height) for side in (width, height))
    else:
        resized_w, resized_h = ImageOps.contain(whole, (30, 20)).size
    assert decoded_w >= 2 * resized_w - 1
    assert decoded_h >= 2 * resized_h - 1


def test_pixels_other_formats_and_artifacts_that_declare_nothing_are_taken_whole() -> None:
    encoded = jpeg(400, 400)
    image = Image.open(io.BytesIO(encoded)).convert("RGB")
    png = io.BytesIO()
    image.save(png, "PNG")
    preprocess = ImagePreprocessor(SQUASH)
    assert preprocess.decode(np.asarray(image)).shape == (400, 400, 3)
    assert preprocess.decode(png.getvalue()).shape == (400, 400, 3)
    assert ImagePreprocessor(replace(SQUASH, decode="exact")).decode(encoded).shape == (400, 400, 3)


def test_an_artifact_that_declares_it_has_a_schema_that_readers_of_before_refuse(colours: OnnxClassifier) -> None:
    declared = replace(colours.metadata, preprocessing=replace(colours.metadata.preprocessing, decode="scaled"))
    props = declared.to_props()
    assert (props["imgcls.schema"], colours.metadata.to_props()["imgcls.schema"]) == ("2", "1")
    assert ArtifactMetadata.from_props(props, path="x.onnx") == declared
    with pytest.raises(ArtifactMetadataError, match="says schema 1, and what it says of decoding belongs to schema 2"):
        ArtifactMetadata.from_props({**props, "imgcls.schema": "1"}, path="x.onnx")
