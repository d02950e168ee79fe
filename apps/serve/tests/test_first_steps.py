"""What newcomers type and send: understood where it can be, else answered with the next step."""

from __future__ import annotations

import base64
import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from PIL import Image
from serve_command import run

if TYPE_CHECKING:
    from conftest import PictureOf, RunningService, StartService

ORIGIN = {"origin": "https://page.example"}


def post(service: RunningService, body: bytes, media_type: str | None, path: str = "/predict") -> httpx.Response:
    return service.client.post(path, content=body, headers={"content-type": media_type} if media_type else {})


@pytest.mark.parametrize("media_type", [None, "application/x-www-form-urlencoded", "*/*"])
def test_a_body_without_a_media_type_is_known_by_its_beginning(
    service: RunningService, picture_of: PictureOf, media_type: str | None
) -> None:
    image = picture_of("red")
    json = b'{"image_base64": "%b"}' % base64.b64encode(image)
    form = b'--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\n' + image + b"\r\n--b--\r\n"
    for body in (image, json, form):
        assert post(service, body, media_type).json()["label"] == "red"
    several = b'{"images": [%b]}' % json
    for body in (several, form):
        (answer,) = post(service, body, media_type, "/predict/batch").json()["results"]
        assert answer["label"] == "red"
    assert post(service, image, media_type, "/predict/batch").status_code == 415


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_what_curl_d_takes_out_of_an_image_is_told(service: RunningService, kind: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (255, 0, 0)).save(buffer, kind)
    refused = post(service, buffer.getvalue().translate(None, b"\0\r\n"), "application/x-www-form-urlencoded")
    assert refused.status_code == 400
    assert "`curl --data-binary`" in refused.json()["detail"]


def test_a_data_uri_is_base64(service: RunningService, picture_of: PictureOf) -> None:
    text = base64.b64encode(picture_of("red")).decode()
    for uri, status in ((f"data:image/png;base64,{text}", 200), (f"data:image/png,{text}", 422), ("data:x", 422)):
        assert service.client.post("/predict", json={"image_base64": uri}).status_code == status


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_avif_and_heic_are_answered(service: RunningService, kind: str) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (255, 0, 0)).save(buffer, kind)
    assert post(service, buffer.getvalue(), f"image/{kind.lower()}").json()["label"] == "red"


@pytest.mark.parametrize(
    ("begins", "said"),
    [(b"\0\0\0\x18ftypmp42", "a video"), (b"%PDF-1.7", "PDF"), (b"<!DOCTYPE html><p>", "a web page")],
)
def test_what_is_no_image_is_told_what_it_is(service: RunningService, begins: bytes, said: str) -> None:
    refused = post(service, begins + bytes(100), "image/jpeg")
    assert refused.status_code == 400
    assert said in refused.json()["detail"]


def test_pages_of_other_origins_may_call_where_a_setting_says_so(
    start_service: StartService, service: RunningService, picture_of: PictureOf
) -> None:
    asks = {**ORIGIN, "access-control-request-method": "POST", "access-control-request-headers": "x-api-key"}
    assert "access-control-allow-origin" not in service.client.get("/health", headers=ORIGIN).headers
    with start_service(
        cors_origins="https://page.example, http://other.example:1234", api_keys="key-of-page"
    ) as running:
        asked = running.client.options("/predict", headers=asks)
        assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, ORIGIN["origin"])
        headers = {**ORIGIN, "x-api-key": "key-of-page", "content-type": "image/png"}
        answer = running.client.post("/predict", content=picture_of("red"), headers=headers)
        assert answer.headers["access-control-allow-origin"] == ORIGIN["origin"]
        assert "X-Request-Id" in answer.headers["access-control-expose-headers"]
        unauthorized = running.client.post("/predict", content=b"x", headers=ORIGIN)
        assert (unauthorized.status_code, "access-control-allow-origin" in unauthorized.headers) == (401, True)
        stranger = running.client.options("/predict", headers={**asks, "origin": "https://evil.example"})
        assert (stranger.status_code, stranger.json()["code"]) == (400, "bad_request")
        assert "access-control-allow-origin" not in stranger.headers


def test_a_setting_that_does_not_exist_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"no model")
    done = run(str(tmp_path), "--port", "0", IMGCLS_PRT="8000", IMGCLS_URL="http://x")
    assert "IMGCLS_PRT is no setting of this service. Is IMGCLS_PORT meant?" in done.stdout
    assert "IMGCLS_URL" not in done.stdout


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("net.pth", "imgcls-convert ARCHITECTURE --weights"),
        ("net.safetensors", "holds weights"),
        ("net.pt", "holds a network: convert it first, `imgcls-convert "),
        ("run/model.json", "holds a trained model: convert it first, `imgcls-convert "),
        ("run/net.pth", "net.pth holds weights"),
        ("net.mar", "imgcls-convert "),
        ("photo.jpg", "is an image: serve a model, and ask it, `imgcls-client predict "),
    ],
)
def test_what_is_yet_to_be_converted_is_told_the_next_command(tmp_path: Path, name: str, said: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"x")
    done = run(str(file.parent if "/" in name else file))
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("color.onnx", "Is `imgcls-serve colours.onnx` meant?"),
        ("everyday10", "Is `imgcls-serve everyday100` meant?"),
        ("s3://bucket/model.onnx", "`imgcls-train pull` copies a model store"),
        ("resnet18", "`imgcls-convert resnet18 --output models/resnet18.onnx`"),
    ],
)
def test_what_is_not_there_is_told_what_may_be_meant(
    given: str, said: str, tmp_path: Path, colours_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(colours_path, tmp_path)
    monkeypatch.chdir(tmp_path)
    done = run(given, IMGCLS_MODLE="x")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Is IMGCLS_MODEL meant?" in done.stderr


def test_a_disk_that_never_answers_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import pathlib, time\n"
        "is_file = pathlib.Path.is_file\n"
        "pathlib.Path.is_file = lambda path: time.sleep(600) if path.name == 'gone.onnx' else is_file(path)\n"
    )
    done = run("gone.onnx", IMGCLS_LOAD_TIMEOUT_S="0.2", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "does not answer within 0.2 s (IMGCLS_LOAD_TIMEOUT_S)" in done.stderr


def test_an_artifact_needs_no_option_and_terminals_get_short_lines(
    tmp_path: Path, colours_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    shutil.copy(colours_path, tmp_path / "models" / "colours.onnx")
    monkeypatch.chdir(tmp_path)
    for given in (["models/colours.onnx"], ["models"], []):
        # A port that cannot be had ends the command as soon as it has understood what to serve.
        done = run(*given, "--host", "203.0.113.1", IMGCLS_LOG_FORMAT="text")
        assert done.returncode == 3, done.stderr
        assert "cannot listen on 203.0.113.1 port 8192: this machine has no such address." in done.stderr
        assert not done.stdout.startswith("{")
