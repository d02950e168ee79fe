import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from imgcls_convert.cli import main
from imgcls_core import ClassInfo, OnnxClassifier, Preprocessing
from imgcls_core.artifact.answer_bins import reference_distribution
from imgcls_networks.architectures.architecture import build_architecture
from imgcls_networks.models.trained_model import EvaluationSummary, TrainedModel
from imgcls_testing.commands import Outcome, RunCli, runner_of
from imgcls_testing.exporting import read_operators_once
from imgcls_testing.made_once import MadeOnce
from safetensors.torch import save_file
from torch import nn

REPOSITORY = Path(__file__).parents[3]
_run = runner_of(main)


@pytest.fixture(scope="session")
def run_cli() -> RunCli:
    """Runs `imgcls-convert` in this process."""
    return _run


@pytest.fixture(autouse=True, scope="session")
def a_hundred_conversions_in_one_process() -> None:
    """Several threads wait for the slowest of them at each layer, where tests share a machine with others."""
    torch.set_num_threads(1)
    read_operators_once()


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


def _converted_once(made_once: MadeOnce, name: str, *arguments: object) -> Converted:
    def fill(folder: Path) -> None:
        outcome = _run(*arguments, "--output", folder / f"{name}.onnx")
        (folder / "outcome.json").write_text(json.dumps(asdict(outcome)), encoding="utf-8")

    folder = made_once(name, fill)
    return Converted(folder / f"{name}.onnx", Outcome(**json.loads((folder / "outcome.json").read_bytes())))


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
def resnet18(made_once: MadeOnce, resnet18_weights: Path) -> Converted:
    """ResNet-18 by name, with random weights."""
    return _converted_once(made_once, "resnet18", "resnet18", "--weights", resnet18_weights)


def _train_nothing() -> nn.Module:
    """The bundled model's architecture with random weights whose answers differ from image to image."""
    torch.manual_seed(20180)
    network = build_architecture("small_resnet12", 100).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)  # the blocks begin as their shortcuts; training changes that
        coarse = torch.rand(64, 3, 8, 8)
        logits = network((nn.functional.interpolate(coarse, 64, mode="bicubic") - 0.5) / 0.25)
        scale = 2 / logits.std(dim=0).mean()
        network.head.weight.mul_(scale)
        network.head.bias.mul_(scale).sub_(logits.mean(dim=0) * scale)
    return network


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained model's folder, as imgcls-train writes it, of a network that nobody has trained."""
    folder = tmp_path_factory.mktemp("runs") / "stand_in"
    folder.mkdir()
    halves = {
        key: value.half() if value.is_floating_point() else value
        for key, value in _train_nothing().state_dict().items()
    }
    save_file(halves, folder / "model.safetensors")
    answers = np.random.default_rng(3).dirichlet(np.full(100, 0.05), 500).astype(np.float32)
    card = TrainedModel(
        name="everyday_stand_in",
        architecture="small_resnet12",
        classes=tuple(ClassInfo(i, f"thing {i}", f"n{i:08}") for i in range(100)),
        preprocessing=Preprocessing(
            (64, 64), "squash", None, None, "bilinear", (0.48, 0.45, 0.4), (0.27,) * 3, "13.0.0"
        ),
        training={"epochs": 0},
        temperature=1.25,
        evaluation=EvaluationSummary("tiny val", "0" * 64, 500, 61.2, 84.56, 0.02, 1.6),
        reference=reference_distribution(answers),
        terms="Random weights; nobody's rights.",
    )
    (folder / "model.json").write_bytes(card.to_json())
    return folder


@pytest.fixture(scope="session")
def trained(made_once: MadeOnce, trained_folder: Path) -> Converted:
    """The stand-in, converted from its folder."""
    return _converted_once(made_once, "trained", trained_folder)


@pytest.fixture(scope="session")
def everyday100(made_once: MadeOnce) -> Converted:
    """The model in the package."""
    return _converted_once(made_once, "everyday100", "everyday100")


@pytest.fixture
def leaves_nothing(tmp_path: Path) -> Iterator[Path]:
    """A folder in which the test may try to write an artifact, and in which nothing may remain."""
    folder = tmp_path / "models"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == []
