"""A copy of what is deployed, in which tests plant mistakes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from imgcls_deploy.cli import PROGRAM

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    exit_code: int
    stdout: str
    stderr: str


class Deploy(Protocol):
    """Runs `imgcls-deploy` on the copy, as a user does on the repository."""

    def __call__(self, *arguments: str) -> Ended: ...


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository as a clone has it, less what no check looks at, plus an artifact."""
    for name in ("cerebrium.toml", "pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("docker", "packages/imgcls-contract", "packages/imgcls-core", "apps/serve"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "models").mkdir()
    (tmp_path / "models/resnet18.onnx").write_bytes(b"an artifact")
    return tmp_path


@pytest.fixture
def deploy(copy: Path, capsys: pytest.CaptureFixture[str]) -> Deploy:
    def run(*arguments: str) -> Ended:
        exit_code = PROGRAM.run([*arguments, "--root", str(copy)])
        shown = capsys.readouterr()
        return Ended(exit_code, shown.out, shown.err)

    return run
