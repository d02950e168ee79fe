"""The Python that the members' READMEs show runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory, packaged_photos: Path) -> Path:
    """A folder with one photo."""
    folder = tmp_path_factory.mktemp("newcomer")
    (folder / "photo.jpg").write_bytes((packaged_photos / "coffee.jpg").read_bytes())
    return folder


@pytest.mark.parametrize("member", ["convert", "core"])  # in the order of a first hour
def test_the_python_of_a_readme_runs(
    root: Path, newcomer: Path, member: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (root / f"packages/imgcls-{member}/README.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(newcomer)
    exec(compile(program, member, "exec"), {})  # noqa: S102 - our own page
    said = {"convert": "models/everyday100.onnx ", "core": "espresso: "}[member]
    assert said in capsys.readouterr().out
