"""A file whose load never ends, or takes all memory, is given up: others are served on, or the process ends."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import pytest
from imgcls_core import OnnxClassifier
from imgcls_core.artifact.seal import sealed_artifact
from onnx import TensorProto, helper
from serve_command import run

if TYPE_CHECKING:
    from conftest import PictureOf, StartService

PNG = {"content-type": "image/png"}
ADMIN = {"x-api-key": "admin-token-1"}
MAX_BYTES = 100_000_000


@pytest.fixture(scope="module")
def hog(colours_path: Path) -> bytes:
    """The artifact, with a gigabyte on the way to the same answers."""
    model = onnx.load(colours_path)
    (output,) = model.graph.output
    last = next(node for node in model.graph.node if output.name in node.output)
    last.output[list(last.output).index(output.name)] = "hog.before"
    side = helper.make_tensor("hog.shape", TensorProto.INT64, [2], [16_000, 16_000])
    nothing = helper.make_tensor("hog.nothing", TensorProto.FLOAT, [1], [0.0])
    model.graph.initializer.append(side)
    model.graph.node.extend(
        [
            helper.make_node("ConstantOfShape", ["hog.shape"], ["hog.large"], value=nothing),
            helper.make_node("ReduceSum", ["hog.large"], ["hog.sum"], keepdims=0),
            helper.make_node("Add", ["hog.before", "hog.sum"], [output.name]),
        ]
    )
    del model.metadata_props[:]
    metadata = OnnxClassifier(colours_path, provider="cpu").metadata
    return sealed_artifact(model.SerializeToString(), metadata)


def test_a_load_that_takes_too_much_memory_is_given_up_while_others_are_served(
    start_service: StartService, picture_of: PictureOf, colours_path: Path, tmp_path: Path, hog: bytes
) -> None:
    (tmp_path / "a.onnx").write_bytes(colours_path.read_bytes())
    settings: dict[str, object] = {"models_dir": tmp_path, "model": "", "admin_token": "admin-token-1"}
    with start_service(**settings, max_load_bytes=MAX_BYTES) as running:
        (tmp_path / "hog.onnx").write_bytes(hog)
        refused = running.client.post("/models/hog/load", headers=ADMIN)
        assert (refused.status_code, refused.json()["code"]) == (422, "model_refused")
        assert "more than 100 MB (`IMGCLS_MAX_LOAD_BYTES`)" in refused.json()["detail"]
        assert running.client.get("/health").json()["memory"]["process_rss"] < 3 * MAX_BYTES
        assert running.client.post("/predict", content=picture_of("red"), headers=PNG).json()["label"] == "red"


def test_a_first_load_that_takes_too_much_memory_ends_the_process_with_one_sentence(tmp_path: Path, hog: bytes) -> None:
    (tmp_path / "hog.onnx").write_bytes(hog)
    done = run("--model", str(tmp_path / "hog.onnx"), "--port", "0", IMGCLS_MAX_LOAD_BYTES=str(MAX_BYTES))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "takes more than 100 MB (`IMGCLS_MAX_LOAD_BYTES`)" in done.stderr


def test_a_first_load_that_hangs_ends_the_process_with_one_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    done = run("--models-dir", str(tmp_path), "--port", "0", IMGCLS_LOAD_TIMEOUT_S="1")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "takes longer than 1 s (`IMGCLS_LOAD_TIMEOUT_S`)" in done.stderr
