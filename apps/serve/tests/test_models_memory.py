"""`IMGCLS_MODELS_MEMORY`: models are loaded when they are asked for, and make way for each other."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from imgcls_core import ArtifactMetadata
from imgcls_core.artifact.props import parts_of
from imgcls_core.artifact.seal import sealed_artifact
from imgcls_everyday100 import ARTIFACT
from serve_command import run

if TYPE_CHECKING:
    import httpx
    from conftest import PictureOf, RunningService, StartService

PNG = {"content-type": "image/png"}
ADMIN = {"x-api-key": "admin-token-1"}
# Of the tiny artifact: what a session takes beside its weights is most of it.
ONE = 3_100_000


def version(content: bytes, number: int) -> bytes:
    """The same model as another file: protobuf takes a field twice, and the later value counts."""
    metadata = ArtifactMetadata.from_props(parts_of(content, path="colours").props, path="colours")
    note = b"version %d" % number
    return sealed_artifact(content + bytes([0x32, len(note)]) + note, metadata)  # ModelProto.doc_string


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, colours_path: Path) -> Path:
    folder = tmp_path_factory.mktemp("many")
    for number, name in enumerate("abcd"):
        (folder / f"{name}.onnx").write_bytes(version(colours_path.read_bytes(), number))
    return folder


def settings(folder: Path, models: float, **more: object) -> dict[str, object]:
    memory = int(models * ONE)
    common: dict[str, object] = {"model": "", "admin_token": "admin-token-1", "request_timeout_ms": 60_000}
    return common | {"provider": "cpu", "models_dir": folder, "models_memory": memory, **more}


def loaded(running: RunningService) -> set[str]:
    return {one["name"] for one in running.client.get("/models").json()["models"] if one["loaded"]}


def ask(running: RunningService, name: str, image: bytes, **headers: str) -> httpx.Response:
    return running.client.post("/predict", params={"model": name}, content=image, headers=PNG | headers)


def figure(running: RunningService, name: str) -> float:
    lines = running.client.get("/metrics").text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


def test_models_are_loaded_when_asked_for_and_the_least_recently_used_makes_way(
    start_service: StartService, picture_of: PictureOf, folder: Path
) -> None:
    image = picture_of("red")
    with start_service(**settings(folder, 3.5)) as running:
        assert loaded(running) == {"a"}
        answers = [ask(running, name, image).json() for name in "bcbd"]
        assert [one["label"] for one in answers] == ["red"] * 4
        # c went: b was asked after it, and a is the default one.
        assert loaded(running) == {"a", "b", "d"}
        again = ask(running, "c", image).json()
        assert (again["label"], again["model"]) == ("red", answers[1]["model"])
        assert again["probability"] == answers[1]["probability"]
        assert loaded(running) == {"a", "c", "d"}
        assert (figure(running, "imgcls_model_loads_total"), figure(running, "imgcls_model_evictions_total")) == (5, 2)
        text = running.client.get("/metrics").text
        assert 'imgcls_model_bytes{model="b"}' not in text
        assert 'imgcls_predictions_total{class_id="0",label="red",model="b"}' not in text
        assert sum(one["memory_bytes"] or 0 for one in running.client.get("/models").json()["models"]) <= 3.5 * ONE
        states = {one["name"]: one for one in running.client.post("/v2/repository/index").json()}
        assert {name: one["state"] for name, one in states.items()} == {
            "a": "READY",
            "b": "UNAVAILABLE",
            "c": "READY",
            "d": "READY",
        }
        assert states["b"]["reason"] == "loaded when it is asked for"
        golden = running.client.get("/golden", params={"model": "b"}).json()
        assert golden["cases"]
        drift = running.client.get("/models/b/drift").json()
        assert drift["since_load"]["answers"] == 2  # kept while it was away


def test_all_who_ask_for_a_model_wait_for_one_load_or_are_told_when_to_come_again(
    start_service: StartService, picture_of: PictureOf, folder: Path
) -> None:
    image = picture_of("blue")
    with start_service(**settings(folder, 9)) as running, ThreadPoolExecutor(8) as callers:
        impatient = ask(running, "b", image, **{"x-request-timeout-ms": "1"})
        assert (impatient.status_code, impatient.json()["code"]) == (503, "model_loading")
        assert int(impatient.headers["retry-after"]) >= 1
        answers = list(callers.map(lambda _: ask(running, "b", image), range(8)))
        assert {(one.status_code, one.json()["label"]) for one in answers} == {(200, "blue")}
        assert figure(running, "imgcls_model_loads_total") == 2
        assert ask(running, "nobody", image).json()["code"] == "unknown_model"


def test_a_model_that_is_being_asked_never_makes_way(
    start_service: StartService, picture_of: PictureOf, folder: Path
) -> None:
    image = picture_of("green")
    with start_service(**settings(folder, 2.5)) as running:
        for name in "cb":
            assert ask(running, name, image).status_code == 200
        with _half_sent(running, "b", image) as finish:
            refused = ask(running, "c", image, **{"x-request-timeout-ms": "500"})
            assert (refused.status_code, refused.json()["code"]) == (503, "model_loading")
            assert loaded(running) == {"a", "b"}
            assert finish().startswith(b"HTTP/1.1 200")
        assert ask(running, "c", image).status_code == 200
        assert loaded(running) == {"a", "c"}
        assert ask(running, "a", image).json()["model"]["name"] == "a"


@contextlib.contextmanager
def _half_sent(running: RunningService, name: str, image: bytes) -> Iterator[Callable[[], bytes]]:
    """A request whose body waits until it is finished; it holds its model."""
    with socket.create_connection(("127.0.0.1", int(running.url.rpartition(":")[2]))) as connection:
        head = f"POST /predict?model={name} HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
        connection.sendall(f"{head}Content-Length: {len(image)}\r\n\r\n".encode() + image[:10])
        while figure(running, "imgcls_in_flight_requests") < 2:  # beside the one that asks this
            time.sleep(0.01)

        def finish() -> bytes:
            connection.sendall(image[10:])
            return connection.recv(1000)

        yield finish


def test_a_model_comes_back_as_the_version_that_left_until_somebody_loads_another(
    start_service: StartService, picture_of: PictureOf, colours_path: Path, tmp_path: Path
) -> None:
    image, content = picture_of("red"), colours_path.read_bytes()
    for number, name in enumerate("abc"):
        (tmp_path / f"{name}.onnx").write_bytes(version(content, number))
    with start_service(**settings(tmp_path, 2.5)) as running:
        first = ask(running, "b", image).json()["model"]
        assert ask(running, "c", image).status_code == 200
        assert loaded(running) == {"a", "c"}
        (tmp_path / "b.onnx").write_bytes(version(content, 9))
        assert ask(running, "b", image).json()["model"] == first
        second = running.client.post("/models/b/load", headers=ADMIN).json()["sha256"]
        assert second != first["sha256"]
        assert ask(running, "c", image).status_code == 200
        assert ask(running, "b", image).json()["model"]["sha256"] == second
        (tmp_path / "b.onnx").write_bytes(version(content, 1))  # back again
        assert running.client.post("/models/b/load", headers=ADMIN).json()["sha256"] == first["sha256"]


def test_a_file_that_cannot_be_served_is_refused_until_it_is_another_and_one_that_is_too_large_always(
    start_service: StartService, picture_of: PictureOf, colours_path: Path, tmp_path: Path
) -> None:
    image, content = picture_of("red"), colours_path.read_bytes()
    (tmp_path / "a.onnx").write_bytes(content)
    (tmp_path / "b.onnx").write_bytes(b"no model")
    with start_service(**settings(tmp_path, 2.5)) as running:
        for _ in range(2):
            refused = ask(running, "b", image)
            assert (refused.status_code, refused.json()["code"]) == (422, "model_refused")
        (tmp_path / "b.onnx").write_bytes(version(content, 1))
        while (answer := ask(running, "b", image)).status_code == 422:
            time.sleep(0.1)
        assert answer.json()["label"] == "red"
        assert running.client.post("/v2/repository/models/b/unload", headers=ADMIN).json()["reason"] == "not loaded"
        assert ask(running, "b", image).json()["code"] == "unknown_model"
        assert running.client.post("/models/b/default", headers=ADMIN).json()["code"] == "unknown_model"
    with start_service(**settings(tmp_path, 1.5)) as running:
        refused = ask(running, "b", image)
        assert (refused.status_code, refused.json()["code"]) == (422, "model_refused")
        assert "IMGCLS_MODELS_MEMORY" in refused.json()["detail"]
        assert ask(running, "a", image).status_code == 200


def test_processes_that_name_one_cache_map_the_same_weights(
    start_service: StartService, picture_of: PictureOf, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    given = settings(ARTIFACT.parent, 9, models_cache=cache)
    with start_service(**given) as one, start_service(**given) as other:
        for running in (one, other):
            assert ask(running, ARTIFACT.stem, picture_of("red")).status_code == 200
        mapped = [_mapped(running, cache) for running in (one, other)]
    assert mapped[0] == mapped[1] != set()
    assert not [file for file in cache.iterdir() if file.name.startswith("part-")]


def _mapped(running: RunningService, folder: Path) -> set[str]:
    """Files of a folder that a process has mapped, by inode."""
    maps = Path(f"/proc/{running.process.pid}/maps").read_text(encoding="utf-8")
    return set(re.findall(rf" (\d+)\s+{re.escape(str(folder))}", maps))


def test_a_cache_into_which_others_may_write_is_refused(folder: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    done = run("--models-dir", str(folder), "--port", "0", IMGCLS_MODELS_CACHE=str(tmp_path))
    assert done.returncode == 2
    assert "chmod 700" in done.stderr
