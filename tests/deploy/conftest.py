"""A copy of what is deployed, in which tests plant mistakes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Deploy(Protocol):
    """Runs `python -m deploy` on the copy, as a user does on the repository."""

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def repository() -> Path:
    return ROOT


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository as a clone has it, less what no check looks at, plus an artifact."""
    for name in ("cerebrium.toml", "pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("docker", "packages/imgcls-core", "apps/serve"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "models").mkdir()
    (tmp_path / "models/resnet18.onnx").write_bytes(b"an artifact")
    return tmp_path


@pytest.fixture
def deploy(copy: Path) -> Deploy:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deploy", *arguments, "--root", str(copy)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run
