"""What was edited after its conversion, or signed by nobody who is trusted, is not served."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from imgcls_contract import Counterfactual, FaultyAnswer
from imgcls_core import OnnxClassifier
from imgcls_core.artifact.seal import sealed_artifact
from imgcls_core.artifact.signature import sign_artifact
from imgcls_serve.settings import InvalidSettingError, read_settings
from msgspec import structs
from serve_command import run

if TYPE_CHECKING:
    from conftest import PictureOf, RunningService, StartService

PNG = {"content-type": "image/png"}
ADMIN = {"authorization": "Bearer admin-token-1"}


@pytest.fixture(scope="session")
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def _public(key: Ed25519PrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def _signed(content: bytes, key: Ed25519PrivateKey) -> bytes:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return sign_artifact(content, pem, path="colours.onnx")


@pytest.fixture
def edited(colours_path: Path, tmp_path: Path) -> Path:
    """The artifact with two labels exchanged, everything else as it was."""
    model = onnx.load(colours_path)
    entry = next(one for one in model.metadata_props if one.key == "imgcls.classes")
    entry.value = entry.value.replace("red", "?").replace("blue", "red").replace("?", "blue")
    path = tmp_path / "edited" / "colours.onnx"
    path.parent.mkdir()
    onnx.save(model, path)
    return path


def test_health_and_models_tell_the_seal(service: RunningService) -> None:
    model = service.client.get("/health").json()["model"]
    assert model["sealed"] is True
    assert len(model["seal"]) == 64
    assert model["signed_by"] == []
    (listed,) = service.client.get("/models").json()["models"]
    assert (listed["sealed"], listed["seal"], listed["signed_by"]) == (True, model["seal"], [])


def test_an_artifact_that_was_edited_is_not_served(edited: Path) -> None:
    done = run("--model", str(edited), "--port", "0")
    assert done.returncode == 2
    assert "was changed after it was sealed (changed: the labels)" in done.stderr


def test_an_edited_file_is_refused_and_the_old_one_stays(
    start_service: StartService, picture_of: PictureOf, colours_path: Path, edited: Path, tmp_path: Path
) -> None:
    file = tmp_path / "colours.onnx"
    shutil.copy(colours_path, file)
    with start_service(model=file, admin_token="admin-token-1") as running:  # noqa: S106
        file.unlink()
        shutil.copy(edited, file)
        refused = running.client.post("/models/colours/load", headers=ADMIN)
        assert (refused.status_code, refused.json()["code"]) == (422, "model_refused")
        assert "changed: the labels" in refused.json()["detail"]
        assert str(tmp_path) not in refused.text
        assert running.client.post("/predict", content=picture_of("red"), headers=PNG).json()["label"] == "red"


def test_where_keys_are_trusted_only_what_they_signed_is_served(
    start_service: StartService, colours_path: Path, tmp_path: Path, key: Ed25519PrivateKey
) -> None:
    pem = tmp_path / "trusted.pem"
    pem.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    other = Ed25519PrivateKey.generate()
    content = colours_path.read_bytes()
    (tmp_path / "ours.onnx").write_bytes(_signed(content, key))
    (tmp_path / "theirs.onnx").write_bytes(_signed(content, other))
    (tmp_path / "unsigned.onnx").write_bytes(content)
    settings: dict[str, object] = {"models_dir": tmp_path, "default_model": "ours", "admin_token": "admin-token-1"}
    with start_service(**settings, trusted_keys=f"{_public(Ed25519PrivateKey.generate())}, {pem}") as running:
        assert running.client.get("/ready").status_code == 200
        assert len(running.client.get("/health").json()["model"]["signed_by"]) == 1
        for name, said in {"theirs": "is signed only by", "unsigned": "is signed by nobody"}.items():
            refused = running.client.post(f"/models/{name}/load", headers=ADMIN)
            assert (refused.status_code, refused.json()["code"]) == (422, "model_refused")
            assert said in refused.json()["detail"]


def test_a_key_that_cannot_be_used_is_named_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettingError, match=r"IMGCLS_TRUSTED_KEYS cannot be used: 'no-such\.pem' is neither"):
        read_settings(trusted_keys="no-such.pem")


def test_golden_passes_on_what_the_artifact_keeps(
    start_service: StartService, colours_path: Path, tmp_path: Path
) -> None:
    metadata = OnnxClassifier(colours_path, provider="cpu", warm_up=False).metadata
    first, *others = metadata.golden
    fault = Counterfactual("logits", (FaultyAnswer(0, 12.5),))
    golden = (
        structs.replace(first, counterfactuals=(fault,)),
        *(structs.replace(other, counterfactuals=()) for other in others),
    )
    path = tmp_path / "colours.onnx"
    path.write_bytes(sealed_artifact(colours_path.read_bytes(), structs.replace(metadata, golden=golden)))
    with start_service(model=path) as running:
        case, *rest = running.client.get("/golden").json()["cases"]
        assert case["counterfactuals"] == [{"fault": "logits", "top": [{"class_id": 0, "probability": 12.5}]}]
        assert "counterfactuals" not in rest[0]
