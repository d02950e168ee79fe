"""The Python that the members' READMEs show runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory, packaged_photos: Path) -> Path:
    """A folder with one photo and a small dataset."""
    folder = tmp_path_factory.mktemp("newcomer")
    for split, count in (("train", 8), ("val", 4)):
        for name, colour in (("poppy", "red"), ("gentian", "blue")):
            (folder / "flowers" / split / name).mkdir(parents=True)
            for side in range(count):
                Image.new("RGB", (40 + side, 40), colour).save(folder / "flowers" / split / name / f"{side}.png")
    (folder / "photo.jpg").write_bytes((packaged_photos / "coffee.jpg").read_bytes())
    return folder


@pytest.mark.parametrize("member", ["convert", "core", "train"])  # in the order of a first hour
def test_the_python_of_a_readme_runs(
    root: Path, newcomer: Path, member: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (root / f"packages/imgcls-{member}/README.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(newcomer)
    exec(compile(program, member, "exec"), {})  # noqa: S102 - our own page
    said = {"convert": "models/everyday100.onnx ", "core": "espresso: ", "train": "% right"}[member]
    assert said in capsys.readouterr().out
