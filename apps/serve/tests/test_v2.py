"""The Open Inference Protocol: by hand, as its specification shows it, and with Triton's own client."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    from conftest import PictureOf, RunningService, StartService

PNG = {"content-type": "image/png"}
INFER = "/v2/models/colours/infer"


def solid(*colour: int) -> NDArray[np.uint8]:
    return np.full((1, 20, 30, 3), colour, np.uint8)


def pixels_json(pixels: NDArray[np.uint8], **parameters: Any) -> dict[str, Any]:
    tensor = {"name": "images", "shape": list(pixels.shape), "datatype": "UINT8", "data": pixels.tolist()}
    return {"inputs": [tensor], **parameters}


def binary_body(tensor: dict[str, Any], raw: bytes, **parameters: Any) -> tuple[bytes, dict[str, str]]:
    tensor = tensor | {"parameters": {"binary_data_size": len(raw)}}
    text = json.dumps({"inputs": [tensor], **parameters}).encode()
    return text + raw, {"inference-header-content-length": str(len(text)), "content-type": "application/octet-stream"}


def test_server_and_model_describe_themselves(service: RunningService) -> None:
    server = service.client.get("/v2").json()
    assert "binary_tensor_data" in server["extensions"]
    assert service.client.get("/v2/health/live").status_code == 200
    assert service.client.get("/v2/health/ready").status_code == 200
    for path in ("/v2/models/colours", "/v2/models/colours/versions/1"):
        model = service.client.get(path).json()
        assert model["inputs"][0] == {"name": "images", "datatype": "UINT8", "shape": [-1, -1, -1, 3]}
        assert model["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 8]}]
        assert service.client.get(f"{path}/ready").json()["ready"] is True
    index = service.client.post("/v2/repository/index").json()
    assert index == [{"name": "colours", "version": "1", "state": "READY", "reason": ""}]


def test_pixels_as_json_are_answered_in_order(service: RunningService) -> None:
    pixels = np.concatenate([solid(255, 0, 0), solid(255, 255, 255), solid(0, 0, 255)])
    reply = service.client.post(INFER, json=pixels_json(pixels, id="mine")).json()
    assert (reply["id"], reply["model_name"], reply["model_version"]) == ("mine", "colours", "1")
    (output,) = reply["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("probabilities", "FP32", [3, 8])
    rows = np.array(output["data"], np.float32).reshape(3, 8)
    assert rows.argmax(axis=1).tolist() == [0, 7, 2]


def test_pixels_as_binary_data_give_the_same_bits_as_predict(service: RunningService, picture_of: PictureOf) -> None:
    predict = service.client.post(
        "/predict",
        params={"probabilities": "true"},
        content=picture_of("yellow"),
        headers={"content-type": "image/png"},
    )
    pixels = np.full((1, 30, 40, 3), (255, 255, 0), np.uint8)
    tensor = {"name": "images", "shape": list(pixels.shape), "datatype": "UINT8"}
    body, headers = binary_body(tensor, pixels.tobytes(), parameters={"binary_data_output": True})
    reply = service.client.post(INFER, content=body, headers=headers)
    length = int(reply.headers["inference-header-content-length"])
    output = json.loads(reply.content[:length])["outputs"][0]
    raw = reply.content[length:]
    assert output["parameters"]["binary_data_size"] == len(raw)
    expected = np.array(predict.json()["probabilities"], np.float32)
    assert np.frombuffer(raw, "<f4").tobytes() == expected.tobytes()


def test_encoded_images_are_taken_as_binary_and_as_base64(service: RunningService, picture_of: PictureOf) -> None:
    images: list[bytes] = [picture_of("cyan"), picture_of("red", "JPEG")]
    tensor = {"name": "encoded_images", "shape": [2], "datatype": "BYTES"}
    raw = b"".join(struct.pack("<I", len(image)) + image for image in images)
    body, headers = binary_body(tensor, raw)
    binary = service.client.post(INFER, content=body, headers=headers).json()["outputs"][0]
    texts = [base64.b64encode(image).decode() for image in images]
    text = service.client.post(INFER, json={"inputs": [tensor | {"data": texts}]}).json()["outputs"][0]
    assert binary == text
    assert np.array(text["data"]).reshape(2, 8).argmax(axis=1).tolist() == [4, 0]


def test_classification_names_the_classes(service: RunningService) -> None:
    outputs = [{"name": "probabilities", "parameters": {"classification": 2}}]
    output = service.client.post(INFER, json=pixels_json(solid(0, 255, 0), outputs=outputs)).json()["outputs"][0]
    assert (output["datatype"], output["shape"]) == ("BYTES", [1, 2])
    assert output["data"][0].endswith(":1:green")


ENCODED = {"name": "encoded_images", "shape": [1], "datatype": "BYTES"}
GOOD = {"name": "images", "shape": [1, 1, 1, 3], "datatype": "UINT8", "data": [1, 2, 3]}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "invalid_parameter"),
        ({"inputs": []}, 422, "invalid_parameter"),
        ({"inputs": [GOOD, GOOD]}, 422, "invalid_parameter"),
        ({"inputs": [GOOD | {"name": "input"}]}, 422, "invalid_parameter"),
        ({"inputs": [GOOD | {"datatype": "FP32"}]}, 422, "invalid_parameter"),
        ({"inputs": [GOOD | {"shape": [1, 1, 3]}]}, 422, "invalid_parameter"),
        ({"inputs": [GOOD | {"shape": [1, 1, 2, 3]}]}, 422, "invalid_parameter"),
        ({"inputs": [GOOD | {"shape": [0, 1, 1, 3], "data": []}]}, 422, "invalid_parameter"),
        ({"inputs": [GOOD | {"shape": [1000, 1, 1, 3]}]}, 422, "invalid_parameter"),
        ({"inputs": [GOOD | {"shape": [1, 10**12, 10**12, 3]}]}, 422, "invalid_parameter"),
        ({"inputs": [GOOD | {"data": [1, 2, 256]}]}, 422, "invalid_parameter"),
        ({"inputs": [GOOD | {"data": [1, 2, -1]}]}, 422, "invalid_parameter"),
        ({"inputs": [GOOD | {"data": [1, 2, 0.5]}]}, 422, "invalid_parameter"),
        ({"inputs": [GOOD | {"data": [[1, 2], [3]]}]}, 422, "invalid_parameter"),
        ({"inputs": [GOOD | {"data": [1, 2, 10**30]}]}, 422, "invalid_parameter"),
        ({"inputs": [GOOD | {"data": ["1", "2", "3"]}]}, 422, "invalid_parameter"),
        ({"inputs": [GOOD | {"data": None}]}, 422, "invalid_parameter"),
        ({"inputs": [GOOD | {"parameters": {"binary_data_size": 3}}]}, 422, "invalid_parameter"),
        ({"inputs": [GOOD], "outputs": [{"name": "logits"}]}, 422, "invalid_parameter"),
        (
            {"inputs": [{"name": "encoded_images", "shape": [1], "datatype": "BYTES", "data": [7]}]},
            422,
            "invalid_parameter",
        ),
        (
            {"inputs": [{"name": "encoded_images", "shape": [1], "datatype": "BYTES", "data": ["?"]}]},
            422,
            "invalid_base64",
        ),
        (
            {"inputs": [{"name": "encoded_images", "shape": [1], "datatype": "BYTES", "data": ["YQ=="]}]},
            400,
            "image_undecodable",
        ),
    ],
)
def test_a_wrong_request_is_named(service: RunningService, body: dict[str, Any], status: int, code: str) -> None:
    reply = service.client.post(INFER, json=body)
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert reply.json()["error"] == reply.json()["detail"]


@pytest.mark.parametrize("length", ["-1", "x", "99999", ""])
def test_a_wrong_length_of_the_json_part_is_named(service: RunningService, length: str) -> None:
    reply = service.client.post(INFER, content=b"{}", headers={"inference-header-content-length": length})
    assert reply.status_code == 422


@pytest.mark.parametrize("path", ["/v2/models/other", "/v2/models/other/infer", "/v2/models/colours/versions/2"])
def test_an_unknown_model_or_version_is_a_404(service: RunningService, path: str) -> None:
    method = "POST" if path.endswith("infer") else "GET"
    reply = service.client.request(method, path)
    assert (reply.status_code, reply.json()["code"]) == (404, "unknown_model")


def test_the_repository_extension_loads_and_unloads(
    start_service: StartService, colours_path: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.onnx").write_bytes(colours_path.read_bytes())
    settings: dict[str, object] = {"models_dir": tmp_path, "model": "", "admin_token": "admin-token-1"}
    with start_service(**settings) as running:
        admin = {"x-api-key": "admin-token-1"}
        post = running.client.post
        assert post("/v2/repository/models/two/load").status_code == 401
        assert post("/v2/repository/models/two/load", headers=admin).json()["state"] == "READY"
        assert post("/v2/repository/models/two/unload", headers=admin).json()["state"] == "UNAVAILABLE"
        assert post("/v2/repository/models/one/unload", headers=admin).status_code == 422
        assert running.client.get("/v2/models/two").status_code == 404


def test_tritons_client_works_unchanged(service: RunningService, picture_of: PictureOf) -> None:
    triton: Any = pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed")
    address = service.url.removeprefix("http://")
    client = triton.InferenceServerClient(address)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("colours")
    assert client.get_model_metadata("colours")["outputs"][0]["shape"] == [-1, 8]
    assert client.get_model_repository_index()[0]["name"] == "colours"

    expected = service.client.post(
        "/predict",
        params={"probabilities": "true"},
        content=picture_of("magenta"),
        headers={"content-type": "image/png"},
    ).json()
    pixels = np.full((1, 30, 40, 3), (255, 0, 255), np.uint8)
    for binary in (True, False):
        image = triton.InferInput("images", pixels.shape, "UINT8")
        image.set_data_from_numpy(pixels, binary_data=binary)
        output = triton.InferRequestedOutput("probabilities", binary_data=binary)
        result = client.infer("colours", [image], outputs=[output], request_id="7")
        assert result.as_numpy("probabilities")[0].tolist() == expected["probabilities"]
        assert result.get_response()["id"] == "7"

    encoded = triton.InferInput("encoded_images", [1], "BYTES")
    encoded.set_data_from_numpy(np.array([picture_of("magenta")], object))
    result = client.infer("colours", [encoded])
    assert result.as_numpy("probabilities")[0].tolist() == expected["probabilities"]
    named = triton.InferRequestedOutput("probabilities", class_count=1)
    assert client.infer("colours", [encoded], outputs=[named]).as_numpy("probabilities")[0, 0].endswith(b":5:magenta")

    with pytest.raises(triton.InferenceServerException, match="There is no model 'other'"):
        client.infer("other", [encoded])
    client.close()
