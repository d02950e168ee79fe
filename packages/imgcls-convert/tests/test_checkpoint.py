import json
import os
import pickle

import pytest
import torch
from imgcls_cli.progress import SilentProgress
from imgcls_convert.conversion import convert
from imgcls_convert.request import ConvertRequest
from imgcls_networks.errors import CheckpointError, RequestError
from safetensors.torch import save_file

SOURCE = """
from torch import nn

def build():
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 5), nn.BatchNorm1d(5))
"""


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(SOURCE, encoding="utf-8")
    return f"{path}:build"


@pytest.fixture
def weights():
    generator = torch.Generator().manual_seed(3)
    return {
        "2.weight": torch.randn(5, 12, generator=generator),
        "2.bias": torch.randn(5, generator=generator),
        "3.weight": torch.rand(5, generator=generator) + 0.5,
        "3.bias": torch.randn(5, generator=generator),
        "3.running_mean": torch.randn(5, generator=generator),
        "3.running_var": torch.rand(5, generator=generator) + 0.5,
        "3.num_batches_tracked": torch.tensor(7),
    }


def asked(mine, checkpoint, folder):
    return ConvertRequest(
        model=mine, weights=str(checkpoint), image_size=(16, 16), mean=(0.5,) * 3, std=(0.5,) * 3,
        output=folder / "mine.onnx",
    )  # fmt: skip


def in_a_training_checkpoint(weights):
    return {"epoch": 3, "optimizer": {"state": {}}, "model_state_dict": weights, "best": 0.9}


FORMS = {
    "a plain state dict": (lambda weights: weights, "plain.pth"),
    "DataParallel's prefix": (lambda weights: {f"module.{key}": value for key, value in weights.items()}, "dp.pth"),
    "a training checkpoint": (in_a_training_checkpoint, "last.pt"),
    "a training checkpoint of DataParallel": (
        lambda weights: in_a_training_checkpoint({f"module.{key}": value for key, value in weights.items()}),
        "dp-last.pt",
    ),
    "half precision": (
        lambda weights: {k: v.half().float() if v.is_floating_point() else v for k, v in weights.items()},
        "half.pth",
    ),
    "without the batch counter": (
        lambda weights: {key: value for key, value in weights.items() if "tracked" not in key},
        "no-counter.pth",
    ),
}


@pytest.mark.parametrize("form", [*FORMS, "safetensors"])
def test_a_state_dict_is_found_in_every_usual_form(mine, weights, tmp_path, form):
    """All forms hold the same numbers, so PyTorch's golden answers must be those of the weights themselves."""
    if form == "safetensors":
        checkpoint = tmp_path / "weights.safetensors"
        save_file(weights, checkpoint)
    else:
        shape, name = FORMS[form]
        checkpoint = tmp_path / name
        torch.save(shape(weights), checkpoint)
    report = convert(asked(mine, checkpoint, tmp_path), SilentProgress())
    assert report.metadata.source.weights == checkpoint.name
    top = report.metadata.golden[0].top[0]
    assert (top.class_id, top.probability) == (COLOUR_BARS_CLASS, pytest.approx(COLOUR_BARS_PROBABILITY, abs=2e-3))


# PyTorch's answer to the first generated image with the weights above (seed 3); half precision moves the fourth digit.
COLOUR_BARS_CLASS, COLOUR_BARS_PROBABILITY = 1, 0.7781


def lacking(weights):
    return {key: value for key, value in weights.items() if key != "3.bias"}


def diverged(weights):
    return weights | {"2.bias": torch.tensor([0.0, float("nan"), 0.0, 0.0, 0.0])}


MISFITS = {
    "a missing key": (lacking, "it lacks 3.bias. Name the architecture"),
    "a key too many": (lambda w: w | {"9.weight": torch.zeros(1)}, "it has 9.weight that the network does not know"),
    "both": (lambda w: lacking(w) | {"4.bias": torch.zeros(5)}, "it lacks 3.bias and has 4.bias that the network"),
    "another architecture": (
        lambda w: {f"features.{i}.weight": torch.zeros(1) for i in range(9)},
        "it lacks 2.weight, 2.bias, 3.weight and 3 more and has features.0.weight, features.1.weight, "
        "features.2.weight and 6 more",
    ),
    "another shape": (lambda w: w | {"2.weight": torch.zeros(5, 27)}, "2.weight is [5, 27], the network has [5, 12]"),
    "diverged training": (diverged, "holds NaN or infinite values in 2.bias"),
    "an empty file": (lambda w: {}, "holds nothing, not a state dict of named tensors"),
    "a single tensor": (lambda w: torch.zeros(3), "holds a Tensor, not a state dict of named tensors"),
    "other things": (lambda w: {"a": 1, "b": torch.zeros(1)}, "has b that the network does not know"),
}


@pytest.mark.parametrize("what", MISFITS)
def test_a_checkpoint_that_does_not_fit_is_refused_in_one_sentence(mine, weights, tmp_path, leaves_nothing, what):
    change, sentence = MISFITS[what]
    checkpoint = tmp_path / "weights.pth"
    torch.save(change(weights), checkpoint)
    with pytest.raises(CheckpointError) as refused:
        convert(asked(mine, checkpoint, leaves_nothing), SilentProgress())
    assert sentence in str(refused.value)
    assert "'weights.pth'" in str(refused.value)


def test_a_wrong_number_of_classes_names_the_option(run_cli, resnet18_weights, leaves_nothing):
    refused = run_cli(
        "resnet18", "--num-classes", "10", "--weights", resnet18_weights, "--output", leaves_nothing / "r.onnx"
    )  # fmt: skip
    assert refused.code == 5
    assert refused.sentence.endswith(
        "fc.weight is [1000, 512], the network has [10, 512]. "
        "It has 1000 classes: say `--num-classes 1000` with labels for them."
    )


class Payload:
    """Unpickling it would make a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_what_would_run_code_is_passed_over_and_does_not_run(run_cli, mine, weights, tmp_path, writer):
    trace = tmp_path / "it-ran"
    checkpoint = tmp_path / "weights.pth"
    content = {"state_dict": weights, "payload": Payload(trace)}
    if writer == "torch":
        torch.save(content, checkpoint)
    else:
        checkpoint.write_bytes(pickle.dumps(content))
    done = run_cli(mine, "--weights", checkpoint, "--image-size", "16", "--output", tmp_path / "m.onnx")
    assert not trace.exists()
    assert done.code == 0
    assert "weights.pth: took state_dict (7 tensors); passed over payload (posix.mkdir)" in done.err


def test_several_sets_of_weights_are_asked_about_and_the_chosen_one_is_in_the_artifact(
    run_cli, mine, weights, tmp_path, leaves_nothing
):
    checkpoint = tmp_path / "last.pth"
    other = {key: value * 0 if value.is_floating_point() else value for key, value in weights.items()}
    torch.save({"model": other, "model_ema": {f"module.{key}": value for key, value in weights.items()}}, checkpoint)
    asked = [mine, "--weights", checkpoint, "--image-size", "16"]
    refused = run_cli(*asked, "--output", leaves_nothing / "m.onnx")
    assert (refused.code, "model (7 tensors), model_ema (7 tensors)" in refused.sentence) == (5, True)
    artifact = tmp_path / "m.onnx"
    assert run_cli(*asked, "--state-key", "model_ema", "--output", artifact).code == 0
    assert json.loads(run_cli("inspect", artifact, "--json").out)["source"]["weights"] == "last.pth, model_ema"
    verify = ["verify", artifact, "--model", mine, "--weights", checkpoint]
    assert run_cli(*verify, "--state-key", "model_ema").code == 0
    assert run_cli(*verify, "--state-key", "model").code == 1


def test_a_key_without_a_checkpoint_is_a_mistake(run_cli, mine, leaves_nothing):
    refused = run_cli(mine, "--state-key", "ema", "--output", leaves_nothing / "m.onnx")
    assert (refused.code, "name it with `--weights FILE`" in refused.sentence) == (2, True)


def test_a_whole_pickled_model_is_refused_with_the_hint(run_cli, mine, tmp_path, leaves_nothing):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model.pth")
    refused = run_cli(
        mine, "--weights", tmp_path / "model.pth", "--image-size", "16", "--output", leaves_nothing / "m.onnx"
    )  # fmt: skip
    assert (refused.code, "torch.save(model.state_dict(), " in refused.err) == (5, True)


@pytest.mark.parametrize("name", ["damaged.pth", "damaged.safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04 half a zip file"])
def test_a_damaged_file_is_refused(run_cli, mine, tmp_path, leaves_nothing, name, content):
    (tmp_path / name).write_bytes(content)
    refused = run_cli(mine, "--weights", tmp_path / name, "--image-size", "16", "--output", leaves_nothing / "m.onnx")
    assert refused.code == 5
    assert f"The checkpoint '{name}' is not a" in refused.sentence


def test_a_missing_file_is_noticed_first(mine, tmp_path, leaves_nothing):
    with pytest.raises(RequestError, match="There is no checkpoint at"):
        convert(asked(mine, tmp_path / "none.pth", leaves_nothing), SilentProgress())
