"""A folder as `imgcls-train publish` and `pull` leave it: NAME/latest.json names NAME/sha256-HEX/NAME.onnx."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from imgcls_core import ArtifactMetadata
from imgcls_core.artifact.props import parts_of
from imgcls_core.artifact.seal import sealed_artifact

if TYPE_CHECKING:
    from conftest import PictureOf, StartService

PNG = {"content-type": "image/png"}
ADMIN = {"authorization": "Bearer admin-token-1"}


def _other(content: bytes) -> bytes:
    """The same model as another file: protobuf takes a field twice, and the later value counts."""
    metadata = ArtifactMetadata.from_props(parts_of(content, path="colours").props, path="colours")
    note = b"another file"
    return sealed_artifact(content + bytes([0x32, len(note)]) + note, metadata)  # ModelProto.doc_string


def _publish(store: Path, content: bytes, *, sha256: str | None = None) -> str:
    sha256 = sha256 or hashlib.sha256(content).hexdigest()
    version = store / "colours" / f"sha256-{sha256}"
    version.mkdir(parents=True, exist_ok=True)
    (version / "colours.onnx").write_bytes(content)
    _point(store, sha256)
    return sha256


def _point(store: Path, sha256: str) -> None:
    pointer = store / "colours" / "latest.json"
    part = pointer.with_suffix(".part")
    part.write_text(json.dumps({"version": f"sha256-{sha256}", "schema": 1}), encoding="utf-8")
    part.replace(pointer)


def _settings(store: Path) -> dict[str, object]:
    return {"models_dir": store, "model": "", "admin_token": "admin-token-1"}


def test_a_store_serves_the_latest_version_and_a_load_takes_a_new_one_or_goes_back(
    start_service: StartService, picture_of: PictureOf, colours_path: Path, tmp_path: Path
) -> None:
    """Callers ask all the while; each answer is of one of the two versions, and none fails."""
    first = _publish(tmp_path, colours_path.read_bytes())
    image = picture_of("blue")
    with start_service(**_settings(tmp_path)) as running:
        assert running.client.get("/ready").json()["model"]["sha256"] == first
        stop = threading.Event()
        answers: list[tuple[int, str, str]] = []

        def caller() -> None:
            while not stop.is_set():
                reply = running.client.post("/predict", content=image, headers=PNG)
                body = reply.json()
                answers.append((reply.status_code, body["label"], body["model"]["sha256"]))

        callers = [threading.Thread(target=caller) for _ in range(4)]
        for one in callers:
            one.start()
        second = _publish(tmp_path, _other(colours_path.read_bytes()))
        for wanted in (second, first, second):
            _point(tmp_path, wanted)
            assert running.client.post("/models/colours/load", headers=ADMIN).json()["sha256"] == wanted
            answer = running.client.post("/predict", content=image, headers=PNG).json()
            assert answer["model"]["sha256"] == wanted
        stop.set()
        for one in callers:
            one.join()
        assert {status for status, _, _ in answers} == {200}
        assert {label for _, label, _ in answers} == {"blue"}
        assert {sha256 for _, _, sha256 in answers} <= {first, second}


def _not_there(store: Path, _: bytes) -> None:
    _point(store, "0" * 64)


def _damaged(store: Path, content: bytes) -> None:
    _publish(store, _other(content), sha256="1" * 64)


def _outside(store: Path, _: bytes) -> None:
    (store / "colours" / "latest.json").write_text('{"version": "../../etc"}', encoding="utf-8")


@pytest.mark.parametrize("harm", [_not_there, _damaged, _outside])
def test_a_copy_that_is_damaged_or_not_complete_is_refused_and_changes_nothing(
    start_service: StartService, picture_of: PictureOf, colours_path: Path, tmp_path: Path, harm: object
) -> None:
    first = _publish(tmp_path, colours_path.read_bytes())
    assert callable(harm)
    with start_service(**_settings(tmp_path)) as running:
        harm(tmp_path, colours_path.read_bytes())
        refused = running.client.post("/models/colours/load", headers=ADMIN)
        assert (refused.status_code, refused.json()["code"]) == (422, "model_refused")
        assert str(tmp_path) not in refused.text
        answer = running.client.post("/predict", content=picture_of("red"), headers=PNG).json()
        assert (answer["label"], answer["model"]["sha256"]) == ("red", first)


def test_plain_files_and_published_models_share_a_folder(
    start_service: StartService, colours_path: Path, tmp_path: Path
) -> None:
    _publish(tmp_path, colours_path.read_bytes())
    (tmp_path / "plain.onnx").write_bytes(colours_path.read_bytes())
    with start_service(**_settings(tmp_path), default_model="plain") as running:
        assert running.client.post("/models/colours/load", headers=ADMIN).status_code == 200
        names = {one["name"]: one["loaded"] for one in running.client.get("/models").json()["models"]}
        assert names == {"plain": True, "colours": True}
