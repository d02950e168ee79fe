"""`auto` takes the fastest installed engine that answers as the artifact says, and remembers it."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from imgcls_core import OnnxClassifier
from imgcls_core.inference import fastest
from imgcls_core.inference.onnx_runtime import OnnxRuntimeSession
from imgcls_core.inference.openvino_runtime import OpenVinoRuntime
from numpy.typing import NDArray

pytestmark = pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IMGCLS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # also where a GPU is present
    return tmp_path / "cache" / "engines.json"


@pytest.fixture
def openvino_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastest, "_best_ms", lambda runtimes, size, clock: [2.0, 1.0])


def load(path: Path) -> OnnxClassifier:
    return OnnxClassifier(path, provider="auto", threads=1)


def test_the_faster_of_two_engines_is_taken_and_both_times_are_told(colours_path: Path) -> None:
    classifier = load(colours_path)
    assert classifier.provider in {"cpu", "openvino-fp32"}
    assert "openvino-fp32 takes" in classifier.provider_reason
    assert "ms an image, cpu" in classifier.provider_reason


@pytest.mark.usefixtures("openvino_is_faster")
def test_what_was_measured_is_remembered_for_the_next_load(
    colours_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(colours_path).provider == "openvino-fp32"
    assert [one["engine"] for one in json.loads(cache.read_bytes())] == ["openvino"]
    assert [path.name for path in cache.parent.iterdir()] == ["engines.json"]
    monkeypatch.setattr(fastest, "_best_ms", lambda *_: pytest.fail("it was measured again"))
    again = load(colours_path)
    assert again.provider == "openvino-fp32"
    assert again.provider_reason == "openvino-fp32 takes 1 ms an image, cpu 2 ms; measured before"


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"{}", b"[1]", b'[{"key": "x", "engine": "cpu", "reason": ""}]', b"[" * 100_000, b" " * 70_000],
)
@pytest.mark.usefixtures("openvino_is_faster")
def test_a_memory_that_is_damaged_is_measured_and_written_anew(colours_path: Path, cache: Path, content: bytes) -> None:
    cache.parent.mkdir()
    cache.write_bytes(content)
    assert load(colours_path).provider == "openvino-fp32"
    assert len(json.loads(cache.read_bytes())) == 1


@pytest.mark.usefixtures("openvino_is_faster")
def test_the_memory_keeps_the_latest_and_is_bounded(colours_path: Path, cache: Path) -> None:
    cache.parent.mkdir()
    others = [{"key": f"{i:064}", "engine": "cpu", "reason": "r" * 300} for i in range(64)]
    cache.write_text(json.dumps(others), encoding="utf-8")
    load(colours_path)
    kept = json.loads(cache.read_bytes())
    assert [one["key"] for one in kept[:-1]] == [one["key"] for one in others[1:]]


@pytest.mark.usefixtures("openvino_is_faster")
def test_a_folder_that_cannot_be_written_is_no_error(colours_path: Path, cache: Path) -> None:
    cache.parent.write_text("no folder", encoding="utf-8")
    assert load(colours_path).provider == "openvino-fp32"


@pytest.mark.usefixtures("openvino_is_faster")
def test_an_engine_that_answers_otherwise_is_not_taken_however_fast(
    colours_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = OpenVinoRuntime.run

    def wrong(self: OpenVinoRuntime, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return right(self, 255 - images)

    monkeypatch.setattr(OpenVinoRuntime, "run", wrong)
    classifier = load(colours_path)
    classifier.check_golden()
    assert classifier.provider == "cpu"
    assert "where 1e-04 is allowed" in classifier.provider_reason


@pytest.mark.usefixtures("openvino_is_faster")
def test_an_engine_that_was_right_before_is_given_up_when_it_no_longer_is(
    colours_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(colours_path)
    right = OpenVinoRuntime.run
    monkeypatch.setattr(OpenVinoRuntime, "run", lambda self, images: right(self, 255 - images))
    classifier = load(colours_path)
    assert classifier.provider == "openvino-fp32"
    classifier.check_golden()
    assert classifier.provider == "cpu"


def test_where_one_engine_is_installed_nothing_is_measured_imported_or_written(
    colours_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"""
import sys
{{}}
from imgcls_core import OnnxClassifier
classifier = OnnxClassifier({str(colours_path)!r}, threads=1)
print(classifier.provider, *(name for name in ("onnxruntime", "openvino") if sys.modules.get(name)))
"""
    hide = "sys.modules[{!r}] = None"
    for hidden, told in (("openvino", "cpu onnxruntime"), ("onnxruntime", "openvino-fp32 openvino")):
        done = subprocess.run(
            [sys.executable, "-c", code.format(hide.format(hidden))], capture_output=True, text=True, check=False
        )
        assert done.stdout.strip() == told, done.stderr
    assert not cache.parent.exists()


def test_an_artifact_without_golden_cases_keeps_onnx_runtime(colours_path: Path, colours: OnnxClassifier) -> None:
    from msgspec import structs

    session = OnnxRuntimeSession(colours_path, provider="cpu", threads=1)
    bare = structs.replace(colours.metadata, golden=(), parity=None)
    taken, reason = fastest._faster(colours_path, session, bare, 1)
    assert taken is session
    assert "no golden cases" in reason
