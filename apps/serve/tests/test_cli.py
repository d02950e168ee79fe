from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from serve_command import run

if TYPE_CHECKING:
    from conftest import RunningService


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from imgcls_serve.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "heavy = {'fastapi', 'numpy', 'onnxruntime', 'pydantic', 'uvicorn', 'PIL'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "--model" in done.stdout


@pytest.mark.parametrize("given", [[], ["everyday100"], ["everyday100", "--host", "0.0.0.0"]])  # noqa: S104
def test_where_nothing_is_configured_the_bundled_model_is_served_and_called_by_its_name(
    given: list[str], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "imgcls_serve", *given, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env={}) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        said = "".join(itertools.takewhile(lambda line: "Ready: model 'everyday100'" not in line, lines))
        process.terminate()
        process.communicate()
    assert process.returncode == 0
    assert "erving the bundled everyday100" in said
    assert ("No model was given and models/ is empty" in said) == (not given)
    assert "non-commercial research and education" in said


@pytest.mark.parametrize(
    ("given", "environment", "why"),
    [
        (["--host", "0.0.0.0"], {}, "others can reach 0.0.0.0"),  # noqa: S104
        ([], {"IMGCLS_API_KEYS": "a-key-of-somebody"}, "IMGCLS_API_KEYS is set"),
        ([], {"IMGCLS_DEFAULT_MODEL": "dogs"}, "IMGCLS_DEFAULT_MODEL is set"),
        ([], {"IMGCLS_MODLE": "mine.onnx"}, "IMGCLS_MODLE is set"),
        (["--model", "missing.onnx"], {}, "missing.onnx"),
        (["--models-dir", "empty"], {}, "no artifact in 'empty'"),
        ([], {"IMGCLS_MODELS_DIR": "empty"}, "no artifact in 'empty'"),
    ],
)
def test_a_deployment_never_serves_the_bundled_model(
    given: list[str], environment: dict[str, str], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    done = run(*given, **environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr


def test_a_folder_of_models_without_an_artifact_is_no_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/mine.pth").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    done = run()
    assert done.returncode == 2
    assert "mine.pth holds weights" in done.stderr


def test_without_onnx_runtime_the_installation_is_told(tmp_path: Path, colours_path: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ModuleNotFoundError")
    done = run(str(colours_path), "--port", "0", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert "`pip install 'imgcls-core[cpu]'`" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    done = run("--model", str(tmp_path / "nix.onnx"))
    assert done.returncode == 2
    assert "nix.onnx" in done.stderr
    assert "imgcls-convert" in done.stderr


def test_a_file_that_is_no_artifact_ends_the_process_with_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "text.onnx"
    file.write_text("no model", encoding="utf-8")
    done = run("--model", str(file), "--port", "0")
    assert done.returncode == 2
    assert "text.onnx" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    done = run("--model", str(tmp_path), IMGCLS_QUEUE_SIZE="many", IMGCLS_MAX_IMAGE_PIXELS="0")
    assert done.returncode == 2
    assert "IMGCLS_QUEUE_SIZE is 'many'" in done.stderr
    assert "IMGCLS_MAX_IMAGE_PIXELS is '0'" in done.stderr


def test_a_taken_port_is_one_sentence(service: RunningService, colours_path: Path) -> None:
    port = service.url.rsplit(":", 1)[1]
    done = run("--model", str(colours_path), "--port", port)
    assert done.returncode == 3
    assert f"port {port}: another process has it; end it, or take another with `--port`." in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
