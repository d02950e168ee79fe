from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from imgcls_contract import decode_batch

if TYPE_CHECKING:
    from conftest import PictureOf, RunningService, StartService


def text(image: bytes) -> dict[str, str]:
    return {"image_base64": base64.b64encode(image).decode()}


def test_answers_come_in_order_and_a_bad_image_fails_in_its_own_place(
    service: RunningService, picture_of: PictureOf
) -> None:
    colours = ["red", "white", "blue", "cyan"]
    images: list[bytes] = [picture_of(colour) for colour in colours]
    images.insert(2, b"no image")
    requests: list[dict[str, Any]] = [
        {"files": [("file", image) for image in images]},
        {"json": {"images": [text(image) for image in images]}},
    ]
    for request in requests:
        body: dict[str, Any] = service.client.post("/predict/batch", params={"top_k": 2}, **request).json()
        labels = [result.get("label") for result in body["results"]]
        assert labels == ["red", "white", None, "blue", "cyan"]
        assert body["results"][2]["error"]["code"] == "image_undecodable"
        assert body["results"][2]["error"]["status"] == 400
        assert {len(result["top"]) for result in body["results"] if "top" in result} == {2}
        assert json.dumps(body) == json.dumps(msgspec.to_builtins(decode_batch(json.dumps(body).encode())))
        assert body["model"]["name"] == "colours"


def test_an_image_gets_the_same_answer_alone_and_in_company(service: RunningService, picture_of: PictureOf) -> None:
    image = picture_of("green", "JPEG")
    params = {"probabilities": "true"}
    headers = {"content-type": "image/jpeg"}
    alone = service.client.post("/predict", content=image, params=params, headers=headers).json()
    files = [("file", picture_of("red")), ("file", image)]
    company = service.client.post("/predict/batch", files=files, params=params).json()
    assert company["results"][1]["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-6)


def test_bad_base64_is_an_error_in_its_own_place(service: RunningService, picture_of: PictureOf) -> None:
    images = [{"image_base64": "?"}, text(picture_of("red"))]
    results = service.client.post("/predict/batch", json={"images": images}).json()["results"]
    assert results[0]["error"]["code"] == "invalid_base64"
    assert results[1]["label"] == "red"


@pytest.mark.parametrize(
    ("content", "media_type", "expected"),
    [
        (b"x", "image/png", (415, "unsupported_media_type")),
        (b'{"images": []}', "application/json", (422, "invalid_parameter")),
        (b'{"images": 5}', "application/json", (422, "invalid_parameter")),
        (b"--b--", "multipart/form-data; boundary=b", (422, "invalid_parameter")),
        (json.dumps({"images": [{"image_base64": ""}] * 65}).encode(), "application/json", (422, "invalid_parameter")),
    ],
)
def test_a_bad_request_is_refused_as_a_whole(
    service: RunningService, content: bytes, media_type: str, expected: tuple[int, str]
) -> None:
    reply = service.client.post("/predict/batch", content=content, headers={"content-type": media_type})
    assert (reply.status_code, reply.json()["code"]) == expected


def test_images_that_do_not_all_fit_are_refused_together(start_service: StartService, picture_of: PictureOf) -> None:
    with start_service(queue_size=2, max_images=10) as running:
        files = [("file", picture_of("red"))] * 3
        assert running.client.post("/predict/batch", files=files).status_code == 422
        assert running.client.post("/predict/batch", files=files[:2]).status_code == 200
