"""The whole line on real photos: convert a network once, serve it once, ask it over HTTP."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, Protocol

import pytest
from imgcls_testing.commands import runner_of
from imgcls_testing.exporting import read_operators_once
from imgcls_testing.service import RunningService, StartService, script_path
from PIL import Image

ROOT = Path(__file__).parents[1]

# Makers of hostile files and requests, which are no package.
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/hostile")]

# Photos that come inside the wheels of two packages; nothing of the packages is imported.
_PACKAGED_PHOTOS = {
    "skimage": ("data/astronaut.png", "data/chelsea.png", "data/coffee.png", "data/rocket.jpg"),
    "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
}
# A network of a user's own and its checkpoint, with the weights of the model in the package.
_NETWORK = """
from imgcls_networks.architectures.architecture import SmallResNet
from torch import nn


def build() -> nn.Module:
    return SmallResNet(100)
"""


class RunCommand(Protocol):
    """Runs one of the commands as a user would: imgcls("client", "predict", …) → finished process."""

    def __call__(self, which: str, *arguments: str | Path, **options: Any) -> CompletedProcess[str]: ...


@dataclass(frozen=True)
class Line:
    """A checkpoint that was converted, and the photos on which the artifact was compared with PyTorch.

    Args:
        artifact: from `imgcls-convert`.
        report: what conversion said, image by image.
        photos: their folder.
        photo: a JPEG whose class is beyond doubt.
        labelled: photos by name, with what they show: class id, label, PyTorch's probability to two digits.
    """

    artifact: Path
    report: dict[str, Any]
    photos: Path
    photo: Path
    labelled: dict[str, tuple[int, str, float]]

    @property
    def class_id(self) -> int:
        """What `photo` shows."""
        return self.labelled[self.photo.name][0]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


# A process for each would import everything anew; the README's steps and a fit are typed as a user types them.
_IN_THIS_PROCESS = {"convert", "train", "client"}


@pytest.fixture(scope="session")
def imgcls() -> RunCommand:
    def run(which: str, *arguments: str | Path, own_process: bool = False, **options: Any) -> CompletedProcess[str]:
        if which in _IN_THIS_PROCESS and not own_process:
            return _run_here(which, *arguments, **options)
        return subprocess.run(
            [script_path(f"imgcls-{which}"), *map(str, arguments)],
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=False,
            **options,
        )

    return run


def _run_here(which: str, *arguments: str | Path, cwd: str | Path = ".") -> CompletedProcess[str]:
    if which != "client":
        import torch

        read_operators_once()
        torch.set_num_threads(1)
    with chdir(cwd):
        outcome = runner_of(import_module(f"imgcls_{which}.cli").main)(*arguments)
    return CompletedProcess([which, *arguments], outcome.code, outcome.out, outcome.err)


@pytest.fixture(scope="session")
def packaged_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos out of installed packages, among them a JPEG of the coffee and one with red and blue exchanged."""
    folder = tmp_path_factory.mktemp("photos")
    for package, files in _PACKAGED_PHOTOS.items():
        found = find_spec(package)
        assert found is not None, f"the test group brings {package}"
        assert found.submodule_search_locations
        for file in files:
            source = Path(found.submodule_search_locations[0]) / file
            (folder / source.name).write_bytes(source.read_bytes())
    coffee = Image.open(folder / "coffee.png").convert("RGB")
    coffee.save(folder / "coffee.jpg", quality=92)
    Image.merge("RGB", coffee.split()[::-1]).save(folder / "coffee_bgr.png")
    return folder


@pytest.fixture(scope="session", params=["packaged", "imagenet"])
def line(request: pytest.FixtureRequest, imgcls: RunCommand, tmp_path_factory: pytest.TempPathFactory) -> Line:
    """Either line; the one of ImageNet needs IMGCLS_TEST_DATA."""
    make = {"packaged": _packaged_line, "imagenet": _imagenet_line}[request.param]
    photos = request.getfixturevalue({"packaged": "packaged_photos", "imagenet": "real_data"}[request.param])
    return make(imgcls, photos, tmp_path_factory.mktemp("models"))


def _packaged_line(imgcls: RunCommand, photos: Path, folder: Path) -> Line:
    """A network of one's own in 64 px with its checkpoint, as the README converts one."""
    import torch
    from imgcls_networks.models.bundled import bundled_folder
    from imgcls_networks.models.trained_model import WEIGHTS_NAME, TrainedModel
    from safetensors.torch import load_file

    (folder / "network.py").write_text(_NETWORK, encoding="utf-8")
    card = TrainedModel.read(bundled_folder())
    tensors = load_file(bundled_folder() / WEIGHTS_NAME)
    whole = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    torch.save(whole, folder / "network.pth")
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("class_id", "label"))
        rows.writerows((entry.id, entry.label) for entry in card.classes)
    labelled = {"coffee.jpg": (99, "espresso", 0.95), "chelsea.png": (21, "tabby", 0.23)}
    golden = photos / "labels.csv"
    golden.write_text(
        "file,class_id\n" + "".join(f"{name},{class_id}\n" for name, (class_id, *_) in labelled.items()),
        encoding="utf-8",
    )
    spec = card.preprocessing
    options = [
        *("--weights", folder / "network.pth", "--labels", folder / "labels.csv"),
        *("--image-size", str(spec.size[0]), "--resize", "squash"),
        *("--mean", *map(str, spec.mean), "--std", *map(str, spec.std)),
    ]
    return _convert(imgcls, f"{folder}/network.py:build", options, photos, photos / "coffee.jpg", labelled, folder)


def _imagenet_line(imgcls: RunCommand, real_data: Path, folder: Path) -> Line:
    """The sample MobileNetV2, converted with the command of the README."""
    photos = real_data / "imagenet-sample"
    labelled = {"n01440764_tench.JPEG": (0, "tench", 0.70), "n01667114_mud_turtle.JPEG": (35, "mud turtle", 0.81)}
    options = [
        *("--weights", real_data / "models/mobilenet_v2_tf.pth", "--labels", "imagenet1k"),
        *("--mean", "0.5", "0.5", "0.5", "--std", "0.5", "0.5", "0.5"),
    ]
    model = f"{real_data}/models/mobilenet_v2_tf.py:build"
    return _convert(imgcls, model, options, photos, photos / "n01440764_tench.JPEG", labelled, folder)


def _convert(
    imgcls: RunCommand,
    model: str,
    options: list[str | Path],
    photos: Path,
    photo: Path,
    labelled: dict[str, tuple[int, str, float]],
    folder: Path,
) -> Line:
    output = folder / "model.onnx"
    images = ["--golden", photos / "labels.csv", "--verify-images", photos, "--output", output]
    done = imgcls("convert", model, *options, *images)
    assert done.returncode == 0, done.stderr
    report = json.loads(output.with_suffix(".report.json").read_text(encoding="utf-8"))
    return Line(output, report, photos, photo, labelled)


@pytest.fixture(scope="session")
def service(line: Line, start_service: StartService) -> Iterator[RunningService]:
    with start_service(model=line.artifact, provider="cpu") as running:
        yield running
    assert running.process.exitcode == 0, running.log[-4:]
