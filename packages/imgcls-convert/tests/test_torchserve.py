"""TorchServe's archives become artifacts: network and weights, TorchScript or ONNX; code runs only when trusted."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
import torch
from imgcls_core import OnnxClassifier
from imgcls_testing.commands import RunCli
from torch import nn

NETWORK = """
import torch
from torch import nn
from layers import WIDTH

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, WIDTH, 7, stride=8)
        self.linear = nn.Linear(WIDTH, 3)

    def forward(self, x):
        return self.linear(torch.relu(self.convolution(x)).mean((2, 3)))
"""
LAYERS = "WIDTH = 8\n"
LABELS = {"0": ["n01440764", "crane"], "1": ["n01443537", "crane"], "2": "shark"}
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Net(nn.Module):
    """As in the archive."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 8, 7, stride=8)
        self.linear = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(torch.relu(self.convolution(x)).mean((2, 3)))


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(3)
    net = Net().eval()
    with torch.no_grad():
        net.linear.weight.mul_(20)
    return net


def content_of(network: nn.Module) -> bytes:
    weights = io.BytesIO()
    torch.save(network.state_dict(), weights)
    return weights.getvalue()


def archive(path: Path, model: dict[str, str], files: dict[str, bytes | str]) -> Path:
    """As `torch-model-archiver` writes it."""
    manifest = {"createdOn": "01/01/2026", "runtime": "python", "model": {"modelName": "net", **model}}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
        file.writestr("MAR-INF/MANIFEST.json", json.dumps(manifest))
    return path


EAGER = {"serializedFile": "net.pth", "modelFile": "model.py", "handler": "image_classifier"}


def eager(path: Path, network: nn.Module, **changed: str) -> Path:
    files = {"net.pth": content_of(network), "model.py": NETWORK, "layers.py": LAYERS}
    return archive(path, {**EAGER, **changed}, {**files, "index_to_name.json": json.dumps(LABELS)})


def test_network_weights_labels_and_the_handlers_preprocessing_come_from_the_archive(
    run_cli: RunCli, tmp_path: Path, network: nn.Module
) -> None:
    file, output = eager(tmp_path / "net.mar", network), tmp_path / "net.onnx"
    refused = run_cli(file, "--output", output)
    assert (refused.code, "model.py in it is a program" in refused.sentence) == (2, True)
    made = run_cli(file, "--output", output, "--trust")
    assert made.code == 0, made.err
    meta = OnnxClassifier(output, provider="cpu", threads=1).metadata
    spec = meta.preprocessing
    assert (spec.resize_size, spec.size, spec.mean, spec.std) == (256, (224, 224), *IMAGENET)
    assert [entry.label for entry in meta.classes] == ["crane (n01440764)", "crane (n01443537)", "shark"]
    assert "net.pth" in (meta.source.weights or "")
    assert "of net.mar, handler image_classifier" in (meta.source.weights or "")
    assert run_cli("verify", output, "--model", file, "--trust").code == 0


def test_another_handlers_preprocessing_is_asked_for(run_cli: RunCli, tmp_path: Path, network: nn.Module) -> None:
    file = eager(tmp_path / "net.mar", network, handler="handler.py")
    refused = run_cli(file, "--trust", "--output", tmp_path / "a.onnx")
    assert (refused.code, "does not say what its pixels are" in refused.sentence) == (2, True)
    size = ["--image-size", "64", "--resize", "letterbox", "--range", "-1..1"]
    made = run_cli(file, "--trust", *size, "--output", tmp_path / "a.onnx")
    assert made.code == 0, made.err
    assert OnnxClassifier(tmp_path / "a.onnx", provider="cpu", threads=1).metadata.preprocessing.mean == (0.5,) * 3


@pytest.mark.filterwarnings("ignore")  # of TorchScript and its exporter
def test_torchscript_and_onnx_in_an_archive_convert(run_cli: RunCli, tmp_path: Path, network: nn.Module) -> None:
    script, graph = io.BytesIO(), tmp_path / "graph.onnx"
    torch.jit.save(torch.jit.script(network), script)
    torch.onnx.export(network, (torch.zeros(1, 3, 224, 224),), graph, dynamo=False)
    handler = {"handler": "image_classifier"}
    scripted = archive(tmp_path / "s.mar", {"serializedFile": "net.pt", **handler}, {"net.pt": script.getvalue()})
    assert run_cli(scripted, "--output", tmp_path / "s.onnx").code == 2
    made = run_cli(scripted, "--trust", "--output", tmp_path / "s.onnx")
    assert made.code == 0, made.err
    exported = archive(tmp_path / "o.mar", {"serializedFile": "net.onnx", **handler}, {"net.onnx": graph.read_bytes()})
    made = run_cli(exported, "--output", tmp_path / "o.onnx")
    assert (made.code, "proven equal to net.onnx" in made.out) == (0, True), made.err


def damaged(kind: str, path: Path, network: nn.Module) -> str:
    """Writes an archive that must be refused; gives a part of the sentence."""
    weights, model = content_of(network), {"serializedFile": "net.pth", "handler": "image_classifier"}
    files: dict[str, bytes | str] = {"net.pth": weights, "model.py": NETWORK, "layers.py": LAYERS}
    if kind == "bomb":
        archive(path, EAGER, {**files, "net.pth": bytes(60_000_000)})
        return "would grow from"
    if kind in {"../outside.py", "/outside.py", "a\\outside.py"}:
        archive(path, EAGER, {**files, kind: "print(1)"})
        return "leads outside the archive"
    if kind == "link":
        archive(path, EAGER, files)
        with zipfile.ZipFile(path, "a") as file:
            entry = zipfile.ZipInfo("linked.py")
            entry.external_attr = 0o120777 << 16
            file.writestr(entry, "/etc/passwd")
        return "is a link or encrypted"
    if kind == "handler makes the network":
        archive(path, model, {"net.pth": weights})
        return "its handler 'image_classifier' makes it"
    if kind == "two classes":
        archive(path, EAGER, {**files, "model.py": NETWORK + "\nclass Other:\n    pass\n"})
        return "has 2 classes (Net, Other)"
    if kind == "weights missing":
        archive(path, EAGER, {"model.py": NETWORK})
        return "lacks serializedFile 'net.pth'"
    if kind == "manifest":
        archive(path, {"serializedFile": 3}, files)  # type: ignore[dict-item]
        return "is not TorchServe's"
    archive(path, EAGER, files)
    path.write_bytes(path.read_bytes()[:-30])
    return "MODEL may be"


@pytest.mark.parametrize(
    "kind",
    [
        "bomb", "../outside.py", "/outside.py", "a\\outside.py", "link", "handler makes the network", "two classes",
        "weights missing", "manifest", "cut off",
    ],
)  # fmt: skip
def test_archives_that_cannot_be_taken_get_one_sentence(
    run_cli: RunCli, tmp_path: Path, network: nn.Module, kind: str
) -> None:
    sentence = damaged(kind, tmp_path / "net.mar", network)
    refused = run_cli(tmp_path / "net.mar", "--trust", "--output", tmp_path / "net.onnx")
    assert (refused.code, sentence in refused.sentence) == (2, True), refused.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.mar"]
