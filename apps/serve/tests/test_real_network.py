"""A network trained on ImageNet, real photos, real HTTP. Needs `IMGCLS_TEST_DATA` and the converted artifact."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from imgcls_core import ImagePreprocessor, OnnxClassifier
from PIL import Image

if TYPE_CHECKING:
    from conftest import RunningService, StartService

ARTIFACT = Path(__file__).parents[3] / "models" / "mobilenet_v2.onnx"
BYTES = {"content-type": "application/octet-stream"}
TENCH, NEWT, AXOLOTL, TURTLE = 0, 26, 29, 35


@pytest.fixture(scope="module")
def real_service(start_service: StartService, real_data: Path) -> Iterator[RunningService]:
    assert real_data.is_dir()
    if not ARTIFACT.is_file():
        pytest.skip(f"{ARTIFACT.name} has not been converted")
    with start_service(model=ARTIFACT) as running:
        yield running


@pytest.fixture(scope="module")
def photos(real_data: Path) -> dict[str, int]:
    with (real_data / "imagenet-sample" / "labels.csv").open(encoding="utf-8", newline="") as table:
        return {row["file"]: int(row["class_id"]) for row in csv.DictReader(table)}


def photo(real_data: Path, photos: dict[str, int], class_id: int) -> bytes:
    name = next(name for name, label in photos.items() if label == class_id)
    return (real_data / "imagenet-sample" / name).read_bytes()


def ask(service: RunningService, content: bytes) -> dict[str, Any]:
    reply = service.client.post("/predict", content=content, headers=BYTES, params={"probabilities": "true"})
    assert reply.status_code == 200, reply.text
    return reply.json()


def encoded(image: Image.Image, image_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("label", "class_id"), [(TENCH, TENCH), (AXOLOTL, NEWT), (TURTLE, TURTLE)])
def test_a_photo_gets_its_class_in_each_way_of_sending(
    real_service: RunningService, real_data: Path, photos: dict[str, int], label: int, class_id: int
) -> None:
    """PyTorch's own answers. In the standard order 29 is the axolotl; this network takes the photo for a newt, 26."""
    content = photo(real_data, photos, label)
    client = real_service.client
    answers = [
        client.post("/predict", content=content, headers={"content-type": "image/jpeg"}),
        client.post("/predict", files={"file": content}),
        client.post("/predict", json={"image_base64": base64.b64encode(content).decode()}),
    ]
    assert [answer.json()["class_id"] for answer in answers] == [class_id] * 3


def test_every_photo_gets_the_answer_that_the_artifact_gives_alone(
    real_service: RunningService, real_data: Path, photos: dict[str, int]
) -> None:
    """The converter proves that the artifact alone answers as PyTorch does; here the service adds nothing to it."""
    classifier = OnnxClassifier(ARTIFACT, provider="cpu", threads=1)
    preprocess = ImagePreprocessor(classifier.metadata.preprocessing)
    right = 0
    for name, label in photos.items():
        content = (real_data / "imagenet-sample" / name).read_bytes()
        answer = ask(real_service, content)
        alone = classifier.predict(preprocess(content))[0]
        assert answer["class_id"] == int(alone.argmax())
        assert answer["probabilities"] == pytest.approx(alone.tolist(), abs=1e-6)
        right += answer["class_id"] == label
    assert right / len(photos) > 0.8


def test_the_same_pixels_get_the_same_answer_in_every_container(
    real_service: RunningService, real_data: Path, photos: dict[str, int]
) -> None:
    image = Image.open(io.BytesIO(photo(real_data, photos, TENCH)))
    expected = ask(real_service, photo(real_data, photos, TENCH))["probabilities"]
    upside_down = image.transpose(Image.Transpose.ROTATE_180)
    turned = Image.Exif()
    turned[0x0112] = 3  # shown upside down
    rgba = image.convert("RGBA")
    for content in (
        encoded(image, "PNG"),
        encoded(image, "BMP"),
        encoded(image, "TIFF"),
        encoded(image, "WEBP", lossless=True),
        encoded(rgba, "PNG"),
        encoded(upside_down, "PNG", exif=turned),
    ):
        assert ask(real_service, content)["probabilities"] == expected


def test_other_kinds_of_pixels_are_classified_sensibly(
    real_service: RunningService, real_data: Path, photos: dict[str, int]
) -> None:
    """Lossy, CMYK and palette copies keep the class; 16-bit gray is answered as its own 8-bit copy."""
    image = Image.open(io.BytesIO(photo(real_data, photos, TURTLE)))
    for content in (
        encoded(image, "WEBP", quality=90),
        encoded(image.convert("CMYK"), "JPEG", quality=95),
        encoded(image.convert("P", palette=Image.Palette.ADAPTIVE), "PNG", transparency=255),
        encoded(image.convert("P", palette=Image.Palette.ADAPTIVE), "GIF"),
        encoded(image.convert("L"), "JPEG", quality=95),
    ):
        assert ask(real_service, content)["class_id"] == TURTLE
    gray = image.convert("L")
    deep = gray.convert("I").point(lambda value: value * 257).convert("I;16")
    found, expected = (ask(real_service, encoded(one, "PNG"))["probabilities"] for one in (deep, gray))
    assert found == expected


def test_triton_clients_pixels_get_the_same_bits(
    real_service: RunningService, real_data: Path, photos: dict[str, int]
) -> None:
    """The original pixels over `/v2`, as JSON would carry them too large, so as binary data."""
    import json

    image = Image.open(io.BytesIO(photo(real_data, photos, AXOLOTL))).convert("RGB")
    expected = ask(real_service, photo(real_data, photos, AXOLOTL))["probabilities"]
    raw = image.tobytes()
    tensor = {
        "name": "images",
        "shape": [1, image.height, image.width, 3],
        "datatype": "UINT8",
        "parameters": {"binary_data_size": len(raw)},
    }
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
    reply = real_service.client.post("/v2/models/mobilenet_v2/infer", content=head + raw, headers=headers)
    assert reply.json()["outputs"][0]["data"] == expected
