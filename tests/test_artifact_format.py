"""The definition of the seal in the documentation is the one that artifacts have."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from imgcls_core.artifact.props import read_parts, with_props
from imgcls_core.artifact.seal import check_seal


@pytest.fixture
def by_the_book(repository: Path, tmp_path: Path) -> Path:
    """The example of the documentation as a program."""
    text = (repository / "docs/artifact-format.md").read_text(encoding="utf-8")
    (program,) = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "imgcls.seal" in block]
    path = tmp_path / "seal.py"
    path.write_text(program, encoding="utf-8")
    return path


def _printed(program: Path, artifact: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(program), str(artifact)], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_documented_program_computes_the_seal(by_the_book: Path, colours_path: Path, tmp_path: Path) -> None:
    seal = check_seal(colours_path)
    assert seal is not None
    assert _printed(by_the_book, colours_path) == f"{seal.seal} []"
    edited = tmp_path / "edited.onnx"
    edited.write_bytes(
        with_props(colours_path.read_bytes(), {**read_parts(colours_path).props, "imgcls.name": '"other"'})
    )
    assert _printed(by_the_book, edited).endswith(" ['name']")
