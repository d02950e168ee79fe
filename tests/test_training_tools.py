"""The page "From your training tool": its blocks are run in their order, and the artifacts know the classes."""

from __future__ import annotations

import io
import logging
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from imgcls_convert.cli import PROGRAM
from imgcls_core import OnnxClassifier
from imgcls_core.images.preprocess import ImagePreprocessor
from imgcls_testing.exporting import read_operators_once
from imgcls_testing.service import StartService
from PIL import Image

pytestmark = pytest.mark.filterwarnings("ignore")  # the tools' own
_PAGE = (Path(__file__).parents[1] / "docs/from-your-training-tool.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```(python|sh|yaml)\n(.*?)^```", re.DOTALL | re.MULTILINE)
COLOURS = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (200, 50, 40)}
_DATA = f"""
import torch
from torch.utils.data import DataLoader, TensorDataset

COLOURS = torch.tensor({[*COLOURS.values()]}) / 255


def batches():
    generator = torch.Generator().manual_seed(5)
    classes = torch.randint(3, (384,), generator=generator)
    noise = torch.randn(384, 3, 32, 32, generator=generator) * 0.15
    images = (COLOURS[classes][:, :, None, None] + noise).clamp(0, 1) * 2 - 1
    return DataLoader(TensorDataset(images, classes), batch_size=32)
"""


@pytest.fixture(scope="module", autouse=True)
def nobody_waits_for_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    read_operators_once()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which every file of the page was written, and every training was run."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "my_data.py").write_text(_DATA, encoding="utf-8")
    files = {named[1]: text for _, text in _BLOCK.findall(_PAGE) if (named := re.match(r"# (\S+\.\w+)\n", text))}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("my_data", "my_net"):  # of another page
            patch.delitem(sys.modules, name, raising=False)
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        patch.setattr(logging.root, "handlers", [])  # what Lightning lets through, pytest would keep
        torch.manual_seed(7)
        for name, text in files.items():
            if name.startswith("train_") and "transformers" not in name:  # which has a test of its own
                exec(compile(text, name, "exec"), {"__name__": "__main__"})  # noqa: S102 - our own page
        yield folder
    for name in ("my_data", "my_net"):
        sys.modules.pop(name, None)


def converted(name: str) -> OnnxClassifier:
    """Runs the command of the page that writes an artifact."""
    lines = [line for kind, text in _BLOCK.findall(_PAGE) if kind == "sh" for line in text.splitlines()]
    for line in lines:
        if f"models/{name}.onnx" in line:
            program, *arguments = shlex.split(line)
            assert program == "imgcls-convert"
            assert PROGRAM.run(arguments) == 0, line
    return OnnxClassifier(f"models/{name}.onnx", provider="cpu", threads=1)


def picture(colour: tuple[int, int, int]) -> bytes:
    noise = np.random.default_rng(3).normal(colour, 20, (48, 48, 3)).clip(0, 255).astype(np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(noise).save(encoded, "PNG")
    return encoded.getvalue()


def sees(classifier: OnnxClassifier, colour: tuple[int, int, int]) -> str:
    pixels = ImagePreprocessor(classifier.metadata.preprocessing)(picture(colour))
    return classifier.top_k(classifier.predict(pixels[None])[0])[0].label


@pytest.mark.parametrize("name", ["averaged", "compiled", "timm", "accelerated"])
def test_the_artifact_is_that_of_the_checkpoint(trained: Path, name: str) -> None:
    classifier = converted(name)
    assert [entry.label for entry in classifier.metadata.classes] == list(COLOURS)
    if name != "timm":  # a few steps teach it less
        assert [sees(classifier, colour) for colour in COLOURS.values()] == list(COLOURS)


def test_raw_and_averaged_weights_are_asked_about(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["my_net.py:build", "--weights", "checkpoint.pth", "--image-size", "32", "--output", "models/raw.onnx"]
    assert PROGRAM.run(asked) == 5
    assert "Say which: `--state-key NAME`" in capsys.readouterr().err


def test_a_lightning_model_is_converted_served_and_asked(
    trained: Path, imgcls, start_service: StartService, tmp_path: Path
) -> None:
    assert sees(converted("lightning"), COLOURS["blue"]) == "blue"
    (tmp_path / "red.png").write_bytes(picture(COLOURS["red"]))
    with start_service(model=trained / "models/lightning.onnx", provider="cpu") as service:
        answered = imgcls("client", "predict", tmp_path / "red.png", "--url", service.url)
    assert answered.returncode == 0, answered.stderr
    assert "red" in answered.stdout
