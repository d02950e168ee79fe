"""Training and evaluation from a program or a notebook."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from imgcls_train import DatasetError, EvaluationReport, FitReport, RequestError, RunError, evaluate, fit


@pytest.fixture(scope="module")
def trained(image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> FitReport:
    return fit(image_folder, tmp_path_factory.mktemp("runs") / "<i>", epochs=1, image_size=16, batch_size=8)


def test_a_training_and_its_evaluation_are_tables_in_a_notebook(trained: FitReport, image_folder: Path) -> None:
    shown = trained._repr_html_()
    assert (shown.count("<table"), "<i>" in shown, "&lt;i&gt;" in shown) == (1, False, True)
    found = evaluate(trained, image_folder, limit=9)
    assert isinstance(found, EvaluationReport)
    assert found.evaluation.images == 9
    assert "top-1" in found._repr_html_()


def test_what_cannot_be_done_is_a_typed_error(trained: FitReport, image_folder: Path, colours_path: Path) -> None:
    with pytest.raises(RequestError, match="epocs"):
        fit(image_folder, epocs=1)
    with pytest.raises(DatasetError):
        fit(image_folder / "nothing")
    with pytest.raises(RunError, match="that of an artifact is fixed"):
        evaluate(colours_path, image_folder, fit_temperature=True)


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'torchvision', 'onnx', 'onnxruntime', 'numpy', 'PIL', 'click', 'jinja2'}"
    code = f"import sys, imgcls_train; print(sorted({heavy} & sys.modules.keys()))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"
