"""Checkpoint in, photo classified over HTTP: the answers must be PyTorch's, whatever form the photo comes in.

Everything is asked on the photos of two packages with the weights of the bundled model, and again on ImageNet's with
MobileNetV2 where they are.
"""

from __future__ import annotations

import base64
import csv
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from imgcls_core import ImagePreprocessor, OnnxClassifier
from imgcls_testing.images import encode_image
from imgcls_testing.service import RunningService
from PIL import Image

if TYPE_CHECKING:
    from conftest import Line, RunCommand

Answer = Callable[[bytes], dict[str, Any]]
IMAGENET = pytest.mark.parametrize("line", ["imagenet"], indirect=True)


@pytest.fixture
def photo(line: Line) -> Image.Image:
    return Image.open(line.photo).convert("RGB")


@pytest.fixture
def answer(service: RunningService) -> Answer:
    """Asks for the whole vector and gives the document."""

    def ask(body: bytes) -> dict[str, Any]:
        response = service.predict(body, "application/octet-stream", probabilities="true")
        assert response.status_code == 200, response.text
        return response.json()

    return ask


def test_the_artifact_is_proven_on_all_photos(line: Line) -> None:
    parity = line.report["parity"]
    assert parity["images"] >= len(photos_of(line))
    assert parity["top1_agreement"] == 1.0
    assert parity["max_abs_diff"] <= 1e-5
    assert all(row["pytorch_class_id"] == row["onnx_class_id"] for row in line.report["images"])


@IMAGENET
def test_the_proof_goes_over_all_203_photos_of_imagenet(line: Line) -> None:
    """PyTorch itself takes the axolotl's (29) for a common newt's (26)."""
    assert line.report["parity"]["images"] == 203
    top = {row["class_id"]: row["onnx_class_id"] for row in line.report["images"]}
    assert {label: top[label] for label in (0, 26, 29, 35)} == {0: 0, 26: 26, 29: 26, 35: 35}
    (row,) = line.report["precisions"]
    assert row["pytorch"]["top1_accuracy"] == row["figures"]["top1_accuracy"] > 0.8


def photos_of(line: Line) -> list[Path]:
    return sorted(path for path in line.photos.iterdir() if path.suffix != ".csv")


def test_every_photo_gets_pytorchs_class_over_http(service: RunningService, line: Line) -> None:
    expected = {row["name"]: (row["pytorch_class_id"], row["pytorch_probability"]) for row in line.report["images"]}
    assert {path.name for path in photos_of(line)} <= set(expected)
    for path in photos_of(line):
        class_id, probability = expected[path.name]
        found = service.predict(path.read_bytes(), "application/octet-stream").json()
        assert found["class_id"] == class_id, path.name
        assert found["probability"] == pytest.approx(probability, abs=1e-5)


def test_the_three_ways_to_send_a_photo_give_the_same_answer(service: RunningService, line: Line) -> None:
    """Expected probabilities: the PyTorch network on these photos, to two digits."""
    for name, (class_id, label, probability) in line.labelled.items():
        photo = (line.photos / name).read_bytes()
        ways = [
            service.predict(photo, "application/octet-stream"),
            service.client.post("/predict", files={"file": (name, photo, "application/octet-stream")}),
            service.client.post("/predict", json={"image_base64": base64.b64encode(photo).decode()}),
        ]
        answers = [response.json() for response in ways]
        assert {a["class_id"] for a in answers} == {class_id}
        assert {a["label"] for a in answers} == {label}
        assert len({a["probability"] for a in answers}) == 1
        assert answers[0]["probability"] == pytest.approx(probability, abs=0.01)


@IMAGENET
def test_class_ids_follow_the_standard_order_of_imagenet(service: RunningService, line: Line) -> None:
    """Sorted WordNet ids. Some lists on the web are one off here; 26 is the common newt and 29 the axolotl."""
    with (line.photos / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = {int(row["class_id"]): row["label"] for row in csv.DictReader(file)}
    found = service.predict(line.photo.read_bytes(), "image/jpeg", top_k="1000").json()["top"]
    labels = {entry["class_id"]: entry["label"] for entry in found}
    assert len(labels) == 1000
    assert {number: labels[number] for number in rows} == rows
    assert (labels[26], labels[29], labels[35]) == ("common newt", "axolotl", "mud turtle")


# The same image in another form. Lossless forms hold the same pixels, so the answer must be equal to the last bit.


def test_lossless_forms_of_one_image_get_the_same_bits(answer: Answer, photo: Image.Image) -> None:
    forms = [
        encode_image(photo),
        encode_image(photo, "WEBP", lossless=True),
        encode_image(photo, "BMP"),
        encode_image(photo, "TIFF"),
    ]
    vectors = [answer(form)["probabilities"] for form in forms]
    assert all(vector == vectors[0] for vector in vectors)


def test_the_jpeg_and_a_png_of_its_pixels_get_the_same_bits(answer: Answer, line: Line, photo: Image.Image) -> None:
    assert answer(line.photo.read_bytes())["probabilities"] == answer(encode_image(photo))["probabilities"]


def test_a_lossy_webp_keeps_the_class(answer: Answer, line: Line, photo: Image.Image) -> None:
    assert answer(encode_image(photo, "WEBP", quality=90))["class_id"] == line.class_id


def test_grayscale_is_read_as_three_equal_channels(answer: Answer, photo: Image.Image) -> None:
    gray = photo.convert("L")
    assert answer(encode_image(gray))["probabilities"] == answer(encode_image(gray.convert("RGB")))["probabilities"]


def test_a_16_bit_png_is_read_as_its_high_bytes(answer: Answer, photo: Image.Image) -> None:
    gray = photo.convert("L")
    wide = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    assert answer(encode_image(wide))["probabilities"] == answer(encode_image(gray))["probabilities"]


def test_a_palette_with_alpha_lies_over_white(answer: Answer, photo: Image.Image) -> None:
    palette = photo.quantize(255)
    pixels = np.asarray(palette).copy()
    pixels[:40] = 255  # a transparent strip; colour 255 is black in the palette, white must be seen
    image = Image.frombytes("P", palette.size, pixels.tobytes())
    image.putpalette((palette.getpalette() or []) + [0, 0, 0] * (256 - len(palette.getpalette() or []) // 3))
    over_white = np.asarray(palette.convert("RGB")).copy()
    over_white[:40] = 255
    expected = answer(encode_image(Image.fromarray(over_white)))
    assert answer(encode_image(image, transparency=255))["probabilities"] == expected["probabilities"]


def test_a_cmyk_jpeg_keeps_the_class(answer: Answer, line: Line, photo: Image.Image) -> None:
    """PIL's plain CMYK conversion and back loses little; reading CMYK as inverted would lose everything."""
    assert answer(encode_image(photo.convert("CMYK"), "JPEG", quality=95))["class_id"] == line.class_id


def test_a_photo_that_was_taken_with_the_camera_turned_is_seen_upright(answer: Answer, photo: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate 90° clockwise to view", the usual phone portrait
    turned = photo.transpose(Image.Transpose.ROTATE_90)
    assert answer(encode_image(turned, exif=exif))["probabilities"] == answer(encode_image(photo))["probabilities"]


@IMAGENET
def test_a_robin_with_red_and_blue_exchanged_is_an_indigo_bunting(answer: Answer, line: Line) -> None:
    """Both are what PyTorch says: a service that reads BGR gets the right photo wrong."""
    robin = Image.open(line.photos / "n01558993_robin.JPEG").convert("RGB")
    swapped = Image.merge("RGB", robin.split()[::-1])
    assert answer(encode_image(robin))["label"] == "robin"
    assert answer(encode_image(swapped))["label"] == "indigo bunting"


# What is not an image


def png_bomb(side: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("make", "status", "code"),
    [
        (lambda _: b"just some text", 400, "image_undecodable"),
        (lambda _: b"", 400, "image_undecodable"),
        (lambda photo: photo[: len(photo) // 2], 400, "image_undecodable"),
        (lambda _: png_bomb(20_000), 413, "image_too_large"),
    ],
    ids=["text", "empty", "truncated", "bomb"],
)
def test_bad_input_is_the_senders_problem_and_leaves_the_service_unharmed(
    service: RunningService, line: Line, make: Callable[[bytes], bytes], status: int, code: str
) -> None:
    photo = line.photo.read_bytes()
    response = service.predict(make(photo), "image/jpeg")
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == code
    assert service.client.get("/health").status_code == 200
    assert service.predict(photo, "image/jpeg").json()["class_id"] == line.class_id


# The client's commands against the running service


def test_the_client_prints_the_class(imgcls: RunCommand, service: RunningService, line: Line) -> None:
    (one, (one_id, label, _)), (other, (other_id, _, _)) = line.labelled.items()
    done = imgcls("client", "predict", "--url", service.url, line.photos / one)
    assert done.returncode == 0, done.stderr
    assert label in done.stdout
    quiet = imgcls("client", "predict", "--quiet", "--url", service.url, line.photos / one, line.photos / other)
    assert quiet.stdout.split() == [str(one_id), str(other_id)]


@pytest.fixture
def cases(tmp_path: Path) -> Callable[[dict[Path, int]], Path]:
    """Writes a user's own labels."""

    def write(labels: dict[Path, int]) -> Path:
        rows = "".join(f"{path},{class_id}\n" for path, class_id in labels.items())
        (tmp_path / "cases.csv").write_text(f"file,class_id\n{rows}", encoding="utf-8")
        return tmp_path / "cases.csv"

    return write


def test_the_suite_finds_the_deployment_good_and_a_users_labels_right(
    imgcls: RunCommand, service: RunningService, line: Line, cases: Callable[[dict[Path, int]], Path]
) -> None:
    labels = cases({line.photos / name: class_id for name, (class_id, *_) in line.labelled.items()})
    done = imgcls("client", "suite", "--url", service.url, "--cases", labels, "--load-time", "1s")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_suite_names_the_photo_whose_label_the_deployment_does_not_give(
    imgcls: RunCommand, service: RunningService, line: Line, cases: Callable[[dict[Path, int]], Path]
) -> None:
    labels = cases({line.photo: line.class_id + 1})
    asked = ("--cases", labels, "--min-accuracy", "1", "--only", "correctness", "--json")
    failed = imgcls("client", "suite", "--url", service.url, *asked)
    assert failed.returncode == 1
    assert line.photo.stem in json.dumps(json.loads(failed.stdout))


def test_photos_of_any_size_that_core_has_shrunk_answer_in_a_batch_as_each_does_alone(line: Line) -> None:
    """Bit for bit, on the real network: a server may batch what comes from different callers."""
    classifier = OnnxClassifier(line.artifact, provider="cpu")
    preprocess = ImagePreprocessor(classifier.metadata.preprocessing)
    photos = photos_of(line)
    decoded = [preprocess.decode(photos[i % len(photos)]) for i in range(16)]
    pixels = [image[: image.shape[0] - 7 * i, : image.shape[1] - 11 * i] for i, image in enumerate(decoded)]
    assert len({image.shape for image in pixels}) > 10
    alone = np.concatenate([classifier.predict(image) for image in pixels])
    for count in (1, 3, 16):
        batch = np.stack([preprocess.shrink(image) for image in pixels[:count]])
        assert np.array_equal(classifier.predict(batch), alone[:count])
