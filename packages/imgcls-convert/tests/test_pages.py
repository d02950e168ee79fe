"""The commands on the pages for people who come from elsewhere run as they stand there."""

from __future__ import annotations

import json
import re
import shlex
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from imgcls_testing.commands import RunCli
from onnx import TensorProto, helper, numpy_helper

DOCS = Path(__file__).parents[3] / "docs"
NETWORK = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.AvgPool2d(56), nn.Flatten(), nn.Linear(48, 3))
"""


def commands(page: str) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def weights(scale: float = 1.0) -> dict[str, torch.Tensor]:
    drawn = torch.randn(3, 48, generator=torch.Generator().manual_seed(5)) * scale
    return {"2.weight": drawn, "2.bias": torch.zeros(3)}


def exported(path: Path, *, channels_last: bool = False) -> None:
    """What another tool would write."""
    nodes = [helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2])] if channels_last else []
    nodes += [
        helper.make_node("AveragePool", [nodes[0].output[0] if nodes else "image"], ["pool"], kernel_shape=[56, 56],
                         strides=[56, 56]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["scores"]),
    ]  # fmt: skip
    shape = ["N", 224, 224, 3] if channels_last else ["N", 3, 224, 224]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(np.ascontiguousarray(weights()["2.weight"].T.numpy()), "weight")],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Everything that the pages' commands name."""
    monkeypatch.chdir(tmp_path)
    for name in ("classifier.onnx", "model_repository/resnet/1/model.onnx", "resnet/saved_model.onnx"):
        exported(tmp_path / name)
    exported(tmp_path / "from_keras.onnx", channels_last=True)
    for name in ("labels.txt", "model_repository/resnet/labels.txt"):
        (tmp_path / name).write_text("cat\ndog\nfish\n", encoding="utf-8")
    (tmp_path / "my_net.py").write_text(NETWORK, encoding="utf-8")
    torch.save({"module." + name: value for name, value in weights().items()}, "best.pth")
    torch.save({"model": weights(), "model_ema": weights(0.9), "epoch": 3}, "averaged.pth")
    with zipfile.ZipFile("net.mar", "w") as archive:
        model = {"modelFile": "my_net.py", "serializedFile": "best.pth", "handler": "image_classifier"}
        archive.writestr("MAR-INF/MANIFEST.json", json.dumps({"model": model}))
        archive.write("my_net.py")
        archive.write("best.pth")
    return tmp_path


@pytest.mark.parametrize("page", ["coming-from.md", "checkpoints.md"])
def test_every_command_of_the_page_runs(run_cli: RunCli, files: Path, page: str) -> None:
    for line in commands(page):
        program = shlex.split(line)
        assert program[:3] == ["uv", "run", "imgcls-convert"], line
        done = run_cli(*program[3:])
        assert done.code == 0, f"{line}\n{done.err}"
    assert list((files / "models").glob("*.onnx"))
