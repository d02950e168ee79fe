import contextlib
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import torchvision
from imgcls_convert.cli import main
from imgcls_core import OnnxClassifier

REPOSITORY = Path(__file__).parents[3]
COLOURS = REPOSITORY / "tests/data/colours.onnx"


@dataclass(frozen=True)
class Outcome:
    """What a person sees of one command."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The last line on stderr: the error, when there was one."""
        return self.err.strip().splitlines()[-1]


RunCli = Callable[..., Outcome]


def _run(*arguments: object) -> Outcome:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return Outcome(int(stop.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def run_cli() -> RunCli:
    """Runs `imgcls-convert` in this process."""
    return _run


@pytest.fixture(autouse=True, scope="session")
def nobody_waits_for_threads() -> None:
    """Tests share their machine with others; two threads are what the smallest runner has."""
    torch.set_num_threads(2)


@pytest.fixture(scope="session")
def colours_model() -> Sequence[str]:
    """The arguments that make tests/data/colours.onnx, without its output."""
    labels = str(REPOSITORY / "tests/data/colours.txt")
    half = ["0.5", "0.5", "0.5"]
    model = f"{REPOSITORY}/tests/data/colours.py:build"
    return [model, "--labels", labels, "--image-size", "32", "--mean", *half, "--std", *half]


@dataclass(frozen=True)
class Converted:
    """One finished conversion."""

    path: Path
    outcome: Outcome

    @property
    def report(self) -> dict:
        return json.loads(self.path.with_suffix(".report.json").read_text(encoding="utf-8"))

    def classifier(self) -> OnnxClassifier:
        return OnnxClassifier(self.path, provider="cpu", threads=1)


@pytest.fixture(scope="session")
def colours_path() -> Path:
    """The committed artifact."""
    return COLOURS


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory, colours_model: Sequence[str]) -> Converted:
    """The colour network, converted now, by its command."""
    output = tmp_path_factory.mktemp("colours") / "colours.onnx"
    return Converted(output, _run(*colours_model, "--output", output))


@pytest.fixture(scope="session")
def resnet18_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state dict of random weights, as `torch.save` writes it."""
    torch.manual_seed(20180)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), path)
    return path


@pytest.fixture(scope="session")
def resnet18(tmp_path_factory: pytest.TempPathFactory, resnet18_weights: Path) -> Converted:
    """ResNet-18 by name, with random weights."""
    output = tmp_path_factory.mktemp("resnet18") / "resnet18.onnx"
    return Converted(output, _run("resnet18", "--weights", resnet18_weights, "--output", output))


@pytest.fixture
def leaves_nothing(tmp_path: Path) -> Iterator[Path]:
    """A folder in which the test may try to write an artifact, and in which nothing may remain."""
    folder = tmp_path / "models"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with ImageNet photos and a network trained on them, where there is one."""
    folder = os.environ.get("IMGCLS_TEST_DATA")
    if not folder:
        pytest.skip("IMGCLS_TEST_DATA names no folder with real photos")
    return Path(folder)
