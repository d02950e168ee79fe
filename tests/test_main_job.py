"""Checkpoint in, photo classified over HTTP: the answers must be PyTorch's, whatever form the photo comes in."""

import base64
import csv
import io
import json
import struct
import zlib

import numpy as np
import pytest
from imgcls_core import ImagePreprocessor, OnnxClassifier
from PIL import Image

TENCH, MUD_TURTLE = "n01440764_tench.JPEG", "n01667114_mud_turtle.JPEG"


def encode(image, format_="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


@pytest.fixture
def tench(photos):
    return Image.open(photos / TENCH).convert("RGB")


@pytest.fixture
def answer(service):
    """Asks for the whole vector and gives the document."""

    def ask(body, media_type="application/octet-stream"):
        response = service.predict(body, media_type, probabilities="true")
        assert response.status_code == 200, response.text
        return response.json()

    return ask


def test_the_artifact_is_proven_on_all_photos(report):
    assert report["parity"]["images"] == 203
    assert report["parity"]["top1_agreement"] == 1.0
    assert report["parity"]["max_abs_diff"] <= 1e-5
    assert all(row["pytorch_class_id"] == row["onnx_class_id"] for row in report["images"])


def test_every_photo_gets_pytorchs_class_over_http(service, report, photos):
    expected = {row["name"]: (row["pytorch_class_id"], row["pytorch_probability"]) for row in report["images"]}
    assert len(expected) == 203
    for name, (class_id, probability) in expected.items():
        found = service.predict((photos / name).read_bytes(), "image/jpeg").json()
        assert found["class_id"] == class_id, name
        assert found["probability"] == pytest.approx(probability, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "class_id", "label", "probability"), [(TENCH, 0, "tench", 0.70), (MUD_TURTLE, 35, "mud turtle", 0.81)]
)
def test_the_three_ways_to_send_a_photo_give_the_same_answer(service, photos, name, class_id, label, probability):
    """Expected probabilities: the PyTorch network on these photos, to two digits."""
    photo = (photos / name).read_bytes()
    ways = [
        service.predict(photo, "image/jpeg"),
        service.client.post("/predict", files={"file": (name, photo, "image/jpeg")}),
        service.client.post("/predict", json={"image_base64": base64.b64encode(photo).decode()}),
    ]
    answers = [response.json() for response in ways]
    assert {a["class_id"] for a in answers} == {class_id}
    assert {a["label"] for a in answers} == {label}
    assert len({a["probability"] for a in answers}) == 1
    assert answers[0]["probability"] == pytest.approx(probability, abs=0.005)


def test_class_ids_follow_the_standard_order_of_imagenet(service, photos):
    """Sorted WordNet ids. Some lists on the web are one off here; 26 is the common newt and 29 the axolotl."""
    with (photos / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = {int(row["class_id"]): row["label"] for row in csv.DictReader(file)}
    found = service.predict((photos / TENCH).read_bytes(), "image/jpeg", top_k="1000").json()["top"]
    labels = {entry["class_id"]: entry["label"] for entry in found}
    assert len(labels) == 1000
    assert {number: labels[number] for number in rows} == rows
    assert (labels[26], labels[29], labels[35]) == ("common newt", "axolotl", "mud turtle")


# The same picture in another form. Lossless forms hold the same pixels, so the answer must be equal to the last bit.


def test_lossless_forms_of_one_picture_get_the_same_bits(answer, tench):
    forms = [
        encode(tench),
        encode(tench, "WEBP", lossless=True),
        encode(tench, "BMP"),
        encode(tench, "TIFF"),
    ]
    vectors = [answer(form)["probabilities"] for form in forms]
    assert all(vector == vectors[0] for vector in vectors)


def test_the_jpeg_and_a_png_of_its_pixels_get_the_same_bits(answer, photos, tench):
    assert answer((photos / TENCH).read_bytes())["probabilities"] == answer(encode(tench))["probabilities"]


def test_a_lossy_webp_keeps_the_class(answer, tench):
    assert answer(encode(tench, "WEBP", quality=90))["class_id"] == 0


def test_grayscale_is_read_as_three_equal_channels(answer, tench):
    gray = tench.convert("L")
    assert answer(encode(gray))["probabilities"] == answer(encode(gray.convert("RGB")))["probabilities"]


def test_a_16_bit_png_is_read_as_its_high_bytes(answer, tench):
    gray = tench.convert("L")
    wide = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    assert answer(encode(wide))["probabilities"] == answer(encode(gray))["probabilities"]


def test_a_palette_with_alpha_lies_over_white(answer, tench):
    palette = tench.quantize(255)
    pixels = np.asarray(palette).copy()
    pixels[:40] = 255  # a transparent strip; colour 255 is black in the palette, white must be seen
    image = Image.frombytes("P", palette.size, pixels.tobytes())
    image.putpalette((palette.getpalette() or []) + [0, 0, 0] * (256 - len(palette.getpalette() or []) // 3))
    over_white = np.asarray(palette.convert("RGB")).copy()
    over_white[:40] = 255
    expected = answer(encode(Image.fromarray(over_white)))
    assert answer(encode(image, transparency=255))["probabilities"] == expected["probabilities"]


def test_a_cmyk_jpeg_keeps_the_class(answer, tench):
    """PIL's plain CMYK conversion and back loses little; reading CMYK as inverted would lose everything."""
    assert answer(encode(tench.convert("CMYK"), "JPEG", quality=95))["class_id"] == 0


def test_a_photo_that_was_taken_with_the_camera_turned_is_seen_upright(answer, tench):
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate 90° clockwise to view", the usual phone portrait
    turned = tench.transpose(Image.Transpose.ROTATE_90)
    assert answer(encode(turned, exif=exif))["probabilities"] == answer(encode(tench))["probabilities"]


def test_a_robin_with_red_and_blue_exchanged_is_an_indigo_bunting(answer, photos):
    """Both are what PyTorch says: a service that reads BGR gets the right photo wrong."""
    robin = Image.open(photos / "n01558993_robin.JPEG").convert("RGB")
    swapped = Image.merge("RGB", robin.split()[::-1])
    assert answer(encode(robin))["label"] == "robin"
    assert answer(encode(swapped))["label"] == "indigo bunting"


# What is not an image


def png_bomb(side):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("make", "status", "code"),
    [
        (lambda photo: b"just some text", 400, "image_undecodable"),
        (lambda photo: b"", 400, "image_undecodable"),
        (lambda photo: photo[: len(photo) // 2], 400, "image_undecodable"),
        (lambda photo: png_bomb(20_000), 413, "image_too_large"),
    ],
    ids=["text", "empty", "truncated", "bomb"],
)
def test_bad_input_is_the_senders_problem_and_leaves_the_service_unharmed(service, photos, make, status, code):
    photo = (photos / TENCH).read_bytes()
    response = service.predict(make(photo), "image/jpeg")
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == code
    assert service.client.get("/health").status_code == 200
    assert service.predict(photo, "image/jpeg").json()["class_id"] == 0


# The client's commands against the running service


def test_the_client_prints_the_class(imgcls, service, photos):
    done = imgcls("client", "predict", "--url", service.url, photos / TENCH)
    assert done.returncode == 0, done.stderr
    assert "tench" in done.stdout
    quiet = imgcls("client", "predict", "--quiet", "--url", service.url, photos / TENCH, photos / MUD_TURTLE)
    assert quiet.stdout.split() == ["0", "35"]


def test_the_suite_finds_the_deployment_good(imgcls, service):
    done = imgcls("client", "suite", "--url", service.url)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_suite_holds_the_deployment_to_a_persons_labels(imgcls, service, tmp_path, photos):
    good = tmp_path / "good.csv"
    good.write_text(f"file,class_id\n{photos / TENCH},0\n{photos / MUD_TURTLE},35\n", encoding="utf-8")
    bad = tmp_path / "bad.csv"
    bad.write_text(f"file,class_id\n{photos / TENCH},1\n", encoding="utf-8")
    assert imgcls("client", "suite", "--url", service.url, "--cases", good).returncode == 0
    failed = imgcls("client", "suite", "--url", service.url, "--cases", bad, "--json")
    assert failed.returncode == 1
    assert "tench" in json.dumps(json.loads(failed.stdout))


def test_photos_of_any_size_that_core_has_shrunk_answer_in_a_batch_as_each_does_alone(artifact, photos):
    """Bit for bit, on the real network: a server may batch what comes from different callers."""
    classifier = OnnxClassifier(artifact, provider="cpu")
    preprocess = ImagePreprocessor(classifier.metadata.preprocessing)
    pixels = [preprocess.decode(photo) for photo in sorted(photos.glob("*.JPEG"))[::12][:16]]
    assert len({image.shape for image in pixels}) > 10
    alone = np.concatenate([classifier.predict(image) for image in pixels])
    for count in (1, 3, 16):
        batch = np.stack([preprocess.shrink(image) for image in pixels[:count]])
        assert np.array_equal(classifier.predict(batch), alone[:count])
