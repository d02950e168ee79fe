import importlib.util
import json
import subprocess
import sys

import onnx
import pytest
from imgcls_core.artifact.seal import sealed_artifact
from onnx import numpy_helper


@pytest.fixture(scope="module")
def tampered(colours, tmp_path_factory):
    """The colour network with one weight moved and sealed again, what it says of itself untouched."""
    model = onnx.load(colours.path)
    weight = next(tensor for tensor in model.graph.initializer if tensor.name.endswith("nearest.weight"))
    values = numpy_helper.to_array(weight).copy()
    values[0] += 2.0
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    path = tmp_path_factory.mktemp("tampered") / "tampered.onnx"
    path.write_bytes(sealed_artifact(model.SerializeToString(), colours.classifier().metadata))
    return path


def test_golden_cases_verify_an_artifact(run_cli, colours):
    found = run_cli("verify", colours.path)
    assert found.code == 0
    assert "equals the recorded answers of PyTorch on 14 images: top-1 agreement 100.00%" in found.out


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_golden_cases_and_pytorch_verify_another_engine(run_cli, colours, colours_model):
    found = run_cli("verify", colours.path, "--provider", "openvino")
    assert found.code == 0
    assert "equals the recorded answers of PyTorch on openvino-fp32 on 14 images" in found.out
    assert run_cli("verify", colours.path, "--model", colours_model[0], "--provider", "openvino").code == 0


def test_an_artifact_that_was_tampered_with_is_exit_1(run_cli, tampered):
    found = run_cli("verify", tampered)
    assert found.code == 1
    assert "DIFFERS from the recorded answers of PyTorch" in found.out
    assert "cool_gradient.png" in found.out


def test_golden_cases_are_verified_without_pytorch(colours):
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['torchvision'] = None\n"
        "from imgcls_convert.cli import main\nmain(['verify', sys.argv[1]])"
    )
    done = subprocess.run([sys.executable, "-c", code, colours.path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_with_its_model_an_artifact_is_asked_against_pytorch(run_cli, colours, colours_model, tampered):
    model = colours_model[0]
    found = run_cli("verify", colours.path, "--model", model, "--json")
    assert found.code == 0
    assert json.loads(found.out)["max_abs_diff"] <= 1e-5
    assert run_cli("verify", tampered, "--model", model).code == 1


def test_another_checkpoint_is_refused(run_cli, resnet18, resnet18_weights, tmp_path):
    other = tmp_path / "other.pth"
    import torch

    torch.save(torch.load(resnet18_weights, weights_only=True), other, _use_new_zipfile_serialization=False)
    refused = run_cli("verify", resnet18.path, "--model", "resnet18", "--weights", other)
    assert refused.code == 2
    assert "was made from weights with SHA-256" in refused.sentence


def test_weights_without_a_model_are_a_usage_error(run_cli, colours):
    assert run_cli("verify", colours.path, "--weights", "w.pth").code == 2


def test_an_artifact_agrees_with_itself(run_cli, colours, colours_path):
    found = run_cli("diff", colours.path, colours_path)
    assert found.code == 0
    assert "on 14 images: top-1 agreement 100.00%, max |Δp| 0.0e+00" in found.out


def test_diff_names_the_images_on_which_two_artifacts_differ(run_cli, colours, tampered):
    found = run_cli("diff", colours.path, tampered, "--json")
    document = json.loads(found.out)
    assert found.code == 1
    assert document["top1_agreement"] < 1
    first = document["images"][0]
    assert first["a_class_id"] != first["b_class_id"]


def test_artifacts_with_other_numbers_of_classes_cannot_be_compared(run_cli, colours, resnet18):
    refused = run_cli("diff", colours.path, resnet18.path)
    assert refused.code == 2
    assert "has 8 classes and" in refused.sentence
