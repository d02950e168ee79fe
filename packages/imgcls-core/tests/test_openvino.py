"""OpenVINO behind the seam: the same answers, its precision said, and one clear sentence where it cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from imgcls_core import OnnxClassifier, ProviderUnavailableError

needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")


@pytest.fixture(scope="module")
def openvino(colours_path: Path) -> OnnxClassifier:
    if find_spec("openvino") is None:
        pytest.skip("OpenVINO is not installed")
    return OnnxClassifier(colours_path, provider="openvino", threads=1)


def test_openvino_replays_the_golden_cases_and_names_its_precision(openvino: OnnxClassifier) -> None:
    openvino.check_golden()
    assert (openvino.provider, openvino.provider_reason) == ("openvino-fp32", "asked for")


@pytest.mark.parametrize("size", [(40, 50), (32, 32), (250, 250), (7, 500)])
def test_images_of_any_size_answer_as_in_onnx_runtime(
    colours: OnnxClassifier, openvino: OnnxClassifier, size: tuple[int, int]
) -> None:
    batch = np.random.default_rng(0).integers(0, 256, (3, *size, 3), dtype=np.uint8)
    answers = openvino.predict(batch)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, colours.predict(batch), atol=1e-5)
    np.testing.assert_array_equal(answers[0], openvino.predict(batch[0])[0])


def test_many_threads_get_each_their_own_answer(openvino: OnnxClassifier) -> None:
    height, width = openvino.metadata.preprocessing.native_size
    images = np.random.default_rng(1).integers(0, 256, (40, height, width, 3), dtype=np.uint8)
    alone = [openvino.predict(image)[0] for image in images]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda image: openvino.predict(image)[0], images))
    np.testing.assert_array_equal(together, alone)


@needs_openvino
def test_a_precision_that_the_artifact_does_not_have_is_refused_with_those_it_has(colours_path: Path) -> None:
    with pytest.raises(ProviderUnavailableError, match="the artifact is fp32, which can run as openvino-fp32 or open"):
        OnnxClassifier(colours_path, provider="openvino-int8")


def test_openvino_that_is_not_installed_is_told_with_the_way_to_install_it(
    colours_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ProviderUnavailableError, match=r"not installed; `pip install 'imgcls-core\[openvino\]'`"):
        OnnxClassifier(colours_path, provider="openvino")


@needs_openvino
def test_openvino_leaves_nothing_in_the_home_folder_and_needs_no_onnx_runtime(
    colours_path: Path, tmp_path: Path
) -> None:
    """By itself its import writes an id there and reports itself."""
    code = f"""
import sys
from imgcls_core import OnnxClassifier
OnnxClassifier({str(colours_path)!r}, provider="openvino").check_golden()
print("onnxruntime" in sys.modules, any("telemetry" in name for name in sys.modules))
"""
    clean = {key: value for key, value in os.environ.items() if key != "CI"}
    environment = {**clean, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment, encoding="utf-8"
    )
    assert done.stdout.split() == ["False", "False"]
    assert list(tmp_path.rglob("*")) == []
