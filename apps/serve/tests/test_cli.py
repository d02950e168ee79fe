from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

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


def test_no_model_is_a_usage_error() -> None:
    done = run()
    assert done.returncode == 2
    assert done.stdout == ""
    assert "--model FILE" in done.stderr


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
    assert f"port {port}" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
