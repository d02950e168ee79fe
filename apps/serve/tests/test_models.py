from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import PictureOf, RunningService, StartService

PNG = {"content-type": "image/png"}
ADMIN = {"authorization": "Bearer admin-token-1"}


def test_models_lists_what_is_loaded(service: RunningService) -> None:
    body = service.client.get("/models").json()
    assert body["default"] == "colours"
    (model,) = body["models"]
    assert model["loaded"] is model["default"] is True
    assert model["classes"] == 8
    assert (model["input_size"], model["decode"]) == ([32, 32], "exact")
    assert len(model["sha256"]) == 64


def test_a_folder_serves_each_artifact_by_its_file_name(
    start_service: StartService, picture_of: PictureOf, colours_path: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        shutil.copy(colours_path, tmp_path / f"{name}.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    settings: dict[str, object] = {"models_dir": tmp_path, "model": "", "admin_token": "admin-token-1"}
    with start_service(**settings, default_model="two") as running:
        assert running.client.get("/ready").json()["model"]["name"] == "two"
        assert running.client.post("/models/one/load", headers=ADMIN).status_code == 200
        image = picture_of("red")
        for params, expected in (({}, "two"), ({"model": "one"}, "one")):
            answer = running.client.post("/predict", params=params, content=image, headers=PNG).json()
            assert (answer["label"], answer["model"]["name"]) == ("red", expected)
        unknown = running.client.post("/predict", params={"model": "broken"}, content=image, headers=PNG)
        assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_model")

        switched = running.client.post("/models/one/default", headers=ADMIN)
        assert switched.json()["default"] == "one"
        answer = running.client.post("/predict", content=image, headers=PNG).json()
        assert answer["model"]["name"] == "one"


@pytest.mark.parametrize("content", [b"no model", None], ids=["corrupt", "cut off"])
def test_a_bad_file_is_refused_and_changes_nothing(
    start_service: StartService, picture_of: PictureOf, colours_path: Path, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "colours.onnx"
    shutil.copy(colours_path, file)
    with start_service(model=file, admin_token="admin-token-1") as running:  # noqa: S106
        before = running.client.get("/models").json()
        file.unlink()  # a file in use is replaced, never written over
        file.write_bytes(colours_path.read_bytes()[:3000] if content is None else content)
        refused = running.client.post("/models/colours/load", headers=ADMIN)
        assert (refused.status_code, refused.json()["code"]) == (422, "model_refused")
        assert "colours.onnx" in refused.json()["detail"]
        assert str(tmp_path) not in refused.text
        assert running.client.get("/models").json() == before
        assert running.client.post("/predict", content=picture_of("red"), headers=PNG).json()["label"] == "red"


def test_a_model_is_replaced_under_load_without_losing_a_request(
    start_service: StartService, picture_of: PictureOf, colours_path: Path
) -> None:
    image = picture_of("blue")
    with start_service(admin_token="admin-token-1") as running:  # noqa: S106
        stop = threading.Event()
        statuses: list[int] = []

        def caller() -> None:
            while not stop.is_set():
                statuses.append(running.client.post("/predict", content=image, headers=PNG).status_code)

        callers = [threading.Thread(target=caller) for _ in range(4)]
        for one in callers:
            one.start()
        for _ in range(5):
            assert running.client.post("/models/colours/load", headers=ADMIN).status_code == 200
        stop.set()
        for one in callers:
            one.join()
        assert set(statuses) == {200}


@pytest.mark.parametrize("path", ["/models/colours/load", "/models/colours/default"])
def test_admin_routes_are_closed_without_a_token(service: RunningService, path: str) -> None:
    reply = service.client.post(path, headers=ADMIN)
    assert (reply.status_code, reply.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("path", ["/models/colours/load", "/models/colours/default"])
def test_admin_routes_take_the_token_and_no_other(start_service: StartService, path: str) -> None:
    with start_service(admin_token="admin-token-1") as running:  # noqa: S106
        missing = running.client.post(path)
        assert (missing.status_code, missing.json()["code"]) == (401, "unauthorized")
        assert missing.headers["www-authenticate"] == "Bearer"
        wrong = running.client.post(path, headers={"x-api-key": "admin-token-2"})
        assert (wrong.status_code, wrong.json()["code"]) == (403, "forbidden")
        assert running.client.post(path, headers=ADMIN).status_code == 200
        unknown = running.client.post("/models/..%2Fsecret/load", headers=ADMIN)
        assert unknown.status_code == 404


def test_a_load_that_hangs_is_given_up_and_neither_others_nor_the_end_wait_for_it(
    start_service: StartService, colours_path: Path, tmp_path: Path
) -> None:
    """A pipe that nobody writes to takes the place of a network mount that has died."""
    for name in ("a", "c"):
        (tmp_path / f"{name}.onnx").write_bytes(colours_path.read_bytes())
    admin = {"x-api-key": "admin-token-1"}
    settings: dict[str, object] = {"models_dir": tmp_path, "model": "", "admin_token": "admin-token-1"}
    with start_service(**settings, load_timeout_s=8) as running:
        os.mkfifo(tmp_path / "b.onnx")
        refused = running.client.post("/models/b/load", headers=admin)
        assert (refused.status_code, refused.json()["code"]) == (422, "model_refused")
        assert "IMGCLS_LOAD_TIMEOUT_S" in refused.json()["detail"]
        # On a very busy machine a load that hangs on nothing may take its time, too.
        assert any(running.client.post("/models/c/load", headers=admin).status_code == 200 for _ in range(10))
        running.sigterm()
        assert running.wait(20) == 0
