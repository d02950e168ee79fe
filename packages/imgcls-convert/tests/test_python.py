"""Conversion from a program or a notebook."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from imgcls_convert import ConversionError, ConversionReport, RequestError, WeakProofError, convert
from imgcls_core import ClassInfo, OnnxClassifier, Preprocessing
from torch import nn
from torchvision.models import ResNet18_Weights

NAMES = ["dark", "red", "green", "blue"]


class Brightest(nn.Module):
    """Answers with the strongest channel."""

    def __init__(self, scale: float = 8.0) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)
        with torch.no_grad():
            self.linear.weight.copy_(scale * torch.eye(4)[:, 1:])
            self.linear.bias.copy_(scale * torch.tensor([-0.2, 0, 0, 0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(nn.functional.adaptive_avg_pool2d(x, 8).mean((2, 3)))


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return Brightest().train()


@pytest.fixture(scope="module")
def report(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> ConversionReport:
    output = tmp_path_factory.mktemp("python") / "brightest.onnx"
    return convert(network, labels=NAMES, image_size=32, mean=(0.5,) * 3, std=(0.25,) * 3, output=output)


def test_a_network_in_hand_becomes_a_proven_artifact_and_stays_as_it_was(
    report: ConversionReport, network: nn.Module
) -> None:
    assert report.metadata.parity is not None
    assert report.metadata.source.architecture.endswith(".Brightest")
    assert network.training
    assert next(network.parameters()).requires_grad
    classifier = OnnxClassifier(report.artifact, provider="cpu")
    assert [entry.label for entry in classifier.metadata.classes] == NAMES
    classifier.check_golden()
    # As much red as green and blue: which of them is named is rounding, and no service may depend on it.
    assert "colour_bars.png" not in {case.name for case in classifier.metadata.golden}
    assert any("two classes tie" in note for note in report.notes)


def test_a_report_is_a_table_in_a_notebook_with_names_escaped(network: nn.Module, tmp_path: Path) -> None:
    output = tmp_path / "<b>bright&.onnx"
    shown = convert(network, labels=NAMES, image_size=32, output=output)._repr_html_()
    assert shown.count("<table") == 2
    assert "<b>" not in shown
    assert "&lt;b&gt;bright&amp;" in shown
    assert "of 14 images, max |Δp| " in shown


def test_preprocessing_is_taken_whole_or_from_torchvisions_preset(network: nn.Module, tmp_path: Path) -> None:
    spec = Preprocessing((40, 48), "squash", None, None, "bicubic", (0.1,) * 3, (0.9,) * 3, "13.0.0")
    found = convert(network, labels=NAMES, preprocessing=spec, output=tmp_path / "a.onnx").metadata.preprocessing
    assert (found.size, found.interpolation, found.mean) == (spec.size, "bicubic", spec.mean)
    preset = ResNet18_Weights.DEFAULT.transforms()
    found = convert(network, labels=NAMES, preprocessing=preset, output=tmp_path / "b.onnx").metadata.preprocessing
    assert (found.size, found.resize_size, found.crop) == ((224, 224), 256, "center")


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"model": "resnet81"}, RequestError, "Did you mean"),
        ({"model": 7}, TypeError, "takes a torch.nn.Module, a name or a path, and was given 7"),
        ({"model": Brightest}, TypeError, "give an instance of the class"),
        ({"image_sise": 32}, TypeError, "no option 'image_sise'; there are model"),
        ({"image_size": 0}, RequestError, r"image_size is 0; give pixels \(1 to 16384\)"),
        ({"precision": "int4"}, RequestError, "no precision 'int4'; there are fp32, fp16, int8"),
        ({"labels": ["a", "b", "c"]}, RequestError, "name 3 classes and the network has 4"),
        ({"labels": ["a", "b", "b", "c"]}, RequestError, "use the name 'b' for 2 classes"),
        ({"preprocessing": 224}, TypeError, "preset of torchvision"),
        ({"weights": "gone.pth"}, RequestError, "no checkpoint"),
        ({"model": Brightest(0.0)}, WeakProofError, "golden images alike"),
    ],
)
def test_what_cannot_be_done_is_a_typed_error(
    network: nn.Module, leaves_nothing: Path, arguments: dict, error: type[Exception], sentence: str
) -> None:
    given = {"model": network, "image_size": 32, "output": leaves_nothing / "a.onnx"} | arguments
    with pytest.raises(error, match=sentence):
        convert(given.pop("model"), **given)
    assert issubclass(WeakProofError, ConversionError)


def test_labels_are_classes_of_the_artifact(report: ConversionReport) -> None:
    assert report.metadata.classes[2] == ClassInfo(2, "green")


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'torchvision', 'onnx', 'onnxruntime', 'numpy', 'PIL', 'click', 'jinja2'}"
    code = f"import sys, imgcls_convert; print(sorted({heavy} & sys.modules.keys()))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"
