from __future__ import annotations

import base64
import io
import json
import socket
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import msgspec
import pytest
from imgcls_contract import Prediction
from PIL import Image

if TYPE_CHECKING:
    from conftest import PictureOf, RunningService, StartService

PNG = {"content-type": "image/png"}
COLOURS = ["red", "green", "blue", "yellow", "cyan", "magenta", "black", "white"]


def problem(reply: httpx.Response) -> tuple[int, str]:
    assert reply.headers["content-type"] == "application/problem+json"
    document = reply.json()
    assert set(document) >= {"type", "title", "status", "detail", "code", "request_id"}
    assert document["status"] == reply.status_code
    assert document["request_id"] == reply.headers["x-request-id"]
    assert "Traceback" not in reply.text
    return reply.status_code, document["code"]


@pytest.mark.parametrize("colour", COLOURS)
def test_a_raw_picture_is_classified(service: RunningService, picture_of: PictureOf, colour: str) -> None:
    reply = service.client.post("/predict", content=picture_of(colour), headers=PNG)
    assert reply.status_code == 200
    assert reply.json()["label"] == colour
    assert reply.json()["class_id"] == COLOURS.index(colour)


@pytest.mark.parametrize("query", ["", "?probabilities=true&top_k=8", "?top_k=1"])
def test_an_answer_has_the_documented_members_in_their_order(
    service: RunningService, picture_of: PictureOf, query: str
) -> None:
    answer = service.client.post(f"/predict{query}", content=picture_of("red"), headers=PNG).content
    documented = msgspec.json.decode(answer, type=Prediction)
    assert msgspec.json.encode(documented) == answer


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_every_format_is_classified_as_bytes(service: RunningService, picture_of: PictureOf, image_format: str) -> None:
    headers = {"content-type": "application/octet-stream"}
    reply = service.client.post("/predict", content=picture_of("blue", image_format), headers=headers)
    assert reply.json()["label"] == "blue"


def test_the_three_ways_of_sending_give_the_same_answer(service: RunningService, picture_of: PictureOf) -> None:
    image = picture_of("magenta", "JPEG")
    raw = service.client.post("/predict", content=image, headers={"content-type": "image/jpeg"}).json()
    form = service.client.post("/predict", files={"note": b"x", "file": ("a.jpg", image, "image/jpeg")}).json()
    text = service.client.post("/predict", json={"image_base64": base64.b64encode(image).decode()}).json()
    assert raw["top"] == form["top"] == text["top"]
    assert raw["label"] == "magenta"


def test_the_answer_has_the_documented_members(service: RunningService, picture_of: PictureOf) -> None:
    answer = service.client.post("/predict", content=picture_of("red"), headers=PNG).json()
    assert list(answer) == [
        "class_id",
        "label",
        "probability",
        "top",
        "model",
        "timing_ms",
        "batch_size",
        "request_id",
    ]
    assert list(answer["timing_ms"]) == ["decode", "queue", "inference", "total"]
    assert answer["model"]["name"] == "colours"
    assert len(answer["model"]["sha256"]) == 64
    assert answer["top"][0] == {key: answer[key] for key in ("class_id", "label", "probability")}
    assert [one["probability"] for one in answer["top"]] == sorted(
        (one["probability"] for one in answer["top"]), reverse=True
    )


def test_top_k_gives_as_many_classes(service: RunningService, picture_of: PictureOf) -> None:
    for top_k in (1, 8):
        reply = service.client.post("/predict", params={"top_k": top_k}, content=picture_of("red"), headers=PNG)
        assert len(reply.json()["top"]) == top_k


def test_probabilities_gives_the_whole_vector(service: RunningService, picture_of: PictureOf) -> None:
    params = {"probabilities": "true"}
    answer = service.client.post("/predict", params=params, content=picture_of("green"), headers=PNG).json()
    assert len(answer["probabilities"]) == 8
    assert answer["probabilities"][1] == answer["probability"]
    assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-5)


def test_a_model_can_be_named(service: RunningService, picture_of: PictureOf) -> None:
    reply = service.client.post("/predict", params={"model": "colours"}, content=picture_of("red"), headers=PNG)
    assert reply.json()["label"] == "red"


@pytest.mark.parametrize(
    ("content", "headers", "params", "expected"),
    [
        (b"", PNG, {}, (400, "image_undecodable")),
        (b"just text", PNG, {}, (400, "image_undecodable")),
        (b"x", {"content-type": "text/plain"}, {}, (415, "unsupported_media_type")),
        (b"x", {"content-type": "application/x-www-form-urlencoded"}, {}, (400, "image_undecodable")),
        (b"x", PNG, {"top_k": "0"}, (422, "invalid_parameter")),
        (b"x", PNG, {"top_k": "9"}, (422, "invalid_parameter")),
        (b"x", PNG, {"top_k": "many"}, (422, "invalid_parameter")),
        (b"x", PNG, {"probabilities": "perhaps"}, (422, "invalid_parameter")),
        (b"x", PNG, {"model": "other"}, (404, "unknown_model")),
        (b"x", PNG | {"x-request-timeout-ms": "0"}, {}, (422, "invalid_parameter")),
        (b"x", PNG | {"x-request-timeout-ms": "99999999"}, {}, (422, "invalid_parameter")),
        (b"{}", {"content-type": "application/json"}, {}, (422, "invalid_parameter")),
        (b"[", {"content-type": "application/json"}, {}, (422, "invalid_parameter")),
        (b'{"image_base64":"?"}', {"content-type": "application/json"}, {}, (422, "invalid_base64")),
        (b'{"image_base64":"YQ"}', {"content-type": "application/json"}, {}, (422, "invalid_base64")),
        (b'{"image_base64":"YQ=="}', {"content-type": "application/json"}, {}, (400, "image_undecodable")),
        (b"x", {"content-type": "multipart/form-data"}, {}, (422, "invalid_parameter")),
        (b"x", {"content-type": "multipart/form-data; boundary=b"}, {}, (422, "invalid_parameter")),
    ],
)
def test_bad_input_gets_the_documented_answer(
    service: RunningService, content: bytes, headers: dict[str, str], params: dict[str, str], expected: tuple[int, str]
) -> None:
    assert problem(service.client.post("/predict", content=content, headers=headers, params=params)) == expected


def test_a_form_without_file_says_what_it_has(service: RunningService, picture_of: PictureOf) -> None:
    reply = service.client.post("/predict", files={"image": picture_of("red")})
    assert problem(reply) == (422, "invalid_parameter")
    assert "'image'" in reply.json()["detail"]


def test_a_form_that_is_cut_off_is_refused(service: RunningService) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert problem(service.client.post("/predict", content=body, headers=headers)) == (422, "invalid_parameter")


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_truncated_jpeg_is_undecodable(service: RunningService, kept: float) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((200, 200), 50).save(buffer, "JPEG")
    image = buffer.getvalue()[: int(len(buffer.getvalue()) * kept)]
    reply = service.client.post("/predict", content=image, headers={"content-type": "image/jpeg"})
    assert problem(reply) == (400, "image_undecodable")


def test_a_pixel_bomb_is_too_large(service: RunningService) -> None:
    rows = zlib.compressobj(9)
    data = b"".join(rows.compress(bytes(1 + 20_000 // 8)) for _ in range(20_000)) + rows.flush()

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)

    header = (20_000).to_bytes(4) * 2 + bytes([1, 0, 0, 0, 0])
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    reply = service.client.post("/predict", content=bomb, headers=PNG)
    assert problem(reply) == (413, "image_too_large")
    assert "400,000,000 pixels" in reply.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [("GET", "/nothing", (404, "not_found")), ("GET", "/predict", (405, "method_not_allowed"))],
)
def test_the_frameworks_own_errors_are_problems_too(
    service: RunningService, method: str, path: str, expected: tuple[int, str]
) -> None:
    assert problem(service.client.request(method, path)) == expected


def test_a_request_id_is_taken_over(service: RunningService, picture_of: PictureOf) -> None:
    reply = service.client.post("/predict", content=picture_of("red"), headers=PNG | {"x-request-id": "abc-1"})
    assert reply.headers["x-request-id"] == "abc-1"
    assert reply.json()["request_id"] == "abc-1"


def test_a_request_id_that_could_forge_a_log_line_is_replaced(service: RunningService) -> None:
    reply = service.client.get("/health", headers={"x-request-id": 'a" b'})
    assert len(reply.headers["x-request-id"]) == 32


def test_too_many_bytes_are_refused_announced_or_not(start_service: StartService, picture_of: PictureOf) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(1000):
            yield bytes(1000)

    with start_service(max_image_bytes=2000) as running:
        announced = running.client.post("/predict", content=bytes(3000), headers=PNG)
        streamed = running.client.post("/predict", content=endless(), headers=PNG)
        assert problem(announced) == problem(streamed) == (413, "body_too_large")
        assert running.client.post("/predict", content=picture_of("red"), headers=PNG).json()["label"] == "red"


def test_a_body_that_never_arrives_whole_is_a_408_and_the_connection_ends(start_service: StartService) -> None:
    """RFC 9110, 15.5.9: the sender was slow, the service was not; what still comes must not become a request."""
    with start_service() as running:
        host, port = running.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 20) as sender:
            sender.sendall(
                b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 100\r\n"
                b"X-Request-Timeout-Ms: 50\r\n\r\nabc"
            )
            answer = b"".join(iter(lambda: sender.recv(10_000), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in head.lower()
        assert json.loads(body)["code"] == "body_too_slow"


def test_a_deadline_that_passes_after_the_body_came_is_a_504(service: RunningService, picture_of: PictureOf) -> None:
    """Decoding takes longer than the deadline; on a busy machine the body itself may come too late now and then."""
    image = picture_of("red", size=(5000, 5000))
    headers = PNG | {"X-Request-Timeout-Ms": "25"}
    found = (problem(service.client.post("/predict", content=image, headers=headers)) for _ in range(50))
    assert next(one for one in found if one != (408, "body_too_slow")) == (504, "deadline_exceeded")
