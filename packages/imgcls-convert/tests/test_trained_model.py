"""A trained model's folder as MODEL. The stand-in has random weights; its card is one that imgcls-train could write."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import torch
from imgcls_core import OnnxClassifier
from imgcls_networks.architectures.architecture import build_architecture
from imgcls_networks.models.trained_model import TrainedModel
from PIL import Image
from safetensors.torch import load_file, save_file


@pytest.fixture
def change_card(trained_folder, tmp_path):
    """Copies the folder and changes fields of its card; None removes one."""

    def change(**fields):
        folder = tmp_path / "changed"
        shutil.copytree(trained_folder, folder)
        card = json.loads((folder / "model.json").read_bytes()) | fields
        (folder / "model.json").write_text(json.dumps({k: v for k, v in card.items() if v is not None}))
        return folder

    return change


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """8 blurred noise images: few, because each is asked once for every layer that may stay float."""
    folder = tmp_path_factory.mktemp("images")
    for i in range(8):
        few = np.random.default_rng(i).integers(0, 256, (7, 6, 3), dtype=np.uint8)
        Image.fromarray(few).resize((90, 70), Image.Resampling.BICUBIC).save(folder / f"{i:02}.png")
    return folder


def test_a_folder_brings_everything_that_the_artifact_says(trained, trained_folder):
    assert trained.outcome.code == 0, trained.outcome.err
    metadata, card = trained.classifier().metadata, TrainedModel.read(trained_folder)
    assert metadata.classes == card.classes
    assert (metadata.preprocessing.size, metadata.preprocessing.resize_mode) == ((64, 64), "squash")
    assert metadata.preprocessing.mean == card.preprocessing.mean
    assert metadata.reference == card.reference
    assert metadata.source.architecture == "imgcls_networks.architectures.small_resnet12"
    weights = (trained_folder / "model.safetensors").read_bytes()
    assert metadata.source.weights_sha256 == hashlib.sha256(weights).hexdigest()
    assert metadata.parity.max_abs_diff <= 1e-5
    assert "are assumed" not in trained.outcome.err


def test_accuracy_terms_and_temperature_are_in_the_report(trained):
    assert trained.report["model"] == "everyday_stand_in"
    assert trained.report["fallback"] is None
    told = trained.report["trained"]
    assert (told["name"], told["temperature"], told["terms"]) == (
        "everyday_stand_in", 1.25, "Random weights; nobody's rights."
    )  # fmt: skip
    assert told["evaluation"]["top1_pct"] == 61.2
    assert trained.report["reference"]["images"] == 500
    assert "accuracy  top-1 61.20 %, top-5 84.56 % on 500 images of tiny val" in trained.outcome.out
    assert "terms     Random weights; nobody's rights." in trained.outcome.out


def test_the_graph_divides_the_logits_by_the_temperature(trained, trained_folder):
    """Against PyTorch, asked here without the converter; the weights are float16 in the file and float32 in use."""
    network = build_architecture("small_resnet12", 100).eval()
    network.load_state_dict(
        {k: v.float() for k, v in load_file(trained_folder / "model.safetensors").items()}, strict=False
    )
    spec = trained.classifier().metadata.preprocessing
    pixels = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    with torch.inference_mode():
        normalised = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - torch.tensor(spec.mean)[:, None, None]
        logits = network(normalised / torch.tensor(spec.std)[:, None, None])
    found = trained.classifier().predict(pixels)
    assert found == pytest.approx((logits / 1.25).softmax(dim=1).numpy(), abs=1e-5)
    assert np.abs(found - logits.softmax(dim=1).numpy()).max() > 0.01


@pytest.mark.parametrize(("precision", "share"), [("fp16", 0.55), ("int8", 0.35)])
def test_smaller_precisions_carry_the_same_reference(
    run_cli, trained_folder, trained, images, tmp_path, precision, share
):
    output = tmp_path / "t.onnx"
    # Which layers stay in float is measured, and so differs by processor; with them the size would.
    told = run_cli(
        trained_folder, "--precision", precision, "--calibrate", images, "--min-agreement", "50", "--output", output,
        "--float-share", "0", "--second-look", "0",
    )  # fmt: skip
    assert told.code == 0, told.err
    metadata = OnnxClassifier(output, provider="cpu").metadata
    assert metadata.source.precision == precision
    assert metadata.reference == trained.classifier().metadata.reference
    assert metadata.source.terms == "Random weights; nobody's rights."
    assert metadata.parity.top1_agreement >= 0.5
    assert output.stat().st_size < share * trained.path.stat().st_size
    OnnxClassifier(output, provider="cpu").check_golden()


def test_inspect_shows_where_the_weights_come_from_and_how_they_answer(run_cli, trained, tmp_path):
    shown = run_cli("inspect", trained.path, "--html", tmp_path / "page.html").out
    assert ("everyday_stand_in; temperature 1.25; top-1 61.20 %, top-5 84.56 % on 500 images of tiny val (SHA") in shown
    assert "terms      Random weights; nobody's rights.\n" in shown
    confidence = json.loads(run_cli("inspect", trained.path, "--json").out)["reference"]["confidence_shares"]
    mean = sum(share * (bin_ + 0.5) / 20 for bin_, share in enumerate(confidence))
    assert f"reference  500 images, mean confidence about {mean:.0%}, " in shown
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<svg ") == 2
    assert page.count("<rect ") == 40
    assert f"0.00 to 0.05: {confidence[0]:.1%}" in page


def test_artifacts_without_a_reference_show_none(run_cli, colours):
    assert "reference " not in run_cli("inspect", colours.path).out
    assert json.loads(run_cli("inspect", colours.path, "--json").out)["reference"] is None


def test_the_folder_verifies_its_artifact(run_cli, trained, trained_folder):
    found = run_cli("verify", trained.path, "--model", trained_folder, "--json")
    assert found.code == 0, found.err
    assert json.loads(found.out)["max_abs_diff"] <= 1e-5


def test_another_training_does_not_verify_it(run_cli, trained, change_card):
    folder = change_card()
    weights = load_file(folder / "model.safetensors")
    save_file(weights | {"head.bias": weights["head.bias"] + 1}, folder / "model.safetensors")
    refused = run_cli("verify", trained.path, "--model", folder)
    assert (refused.code, "was made from weights with SHA-256" in refused.sentence) == (2, True)


def test_the_architecture_may_be_torchvisions_and_options_override_the_card(run_cli, change_card, tmp_path):
    """With other statistics it is another classifier: what was measured of the old one is not said of it."""
    folder = change_card(architecture="squeezenet1_1", temperature=1.0)
    save_file(build_architecture("squeezenet1_1", 100).state_dict(), folder / "model.safetensors")
    (tmp_path / "mine.txt").write_text("\n".join(f"mine {i}" for i in range(100)), encoding="utf-8")
    told = run_cli(
        folder, "--labels", tmp_path / "mine.txt", "--mean", "0.5", "0.5", "0.5", "--skip-verify",
        "--output", tmp_path / "t.onnx",
    )  # fmt: skip
    assert told.code == 0, told.err
    metadata = OnnxClassifier(tmp_path / "t.onnx", provider="cpu").metadata
    assert metadata.source.architecture == "torchvision.models.squeezenet1_1"
    assert metadata.classes[7].label == "mine 7"
    assert (metadata.preprocessing.mean, metadata.preprocessing.size) == ((0.5, 0.5, 0.5), (64, 64))
    assert metadata.preprocessing.std == (0.27, 0.27, 0.27)
    assert metadata.reference is None
    assert "its accuracy is unknown, and its reference distribution is left out" in told.err


FACTORY = """
from torch import nn

def build():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 7))
"""


def test_a_network_of_ones_own_lies_in_the_folder_with_the_head_that_training_gave_it(run_cli, change_card, tmp_path):
    folder = change_card(architecture="net.py:build")
    (folder / "net.py").write_text(FACTORY, encoding="utf-8")
    save_file({"2.weight": torch.randn(100, 3), "2.bias": torch.zeros(100)}, folder / "model.safetensors")
    told = run_cli(folder, "--skip-verify", "--output", tmp_path / "t.onnx")
    assert told.code == 0, told.err
    metadata = OnnxClassifier(tmp_path / "t.onnx", provider="cpu").metadata
    assert (metadata.source.architecture, len(metadata.classes)) == ("net.py:build", 100)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--weights", "other.pth"], "holds its weights already, in model.safetensors; leave `--weights` out"),
        (["--num-classes", "10"], "`--num-classes 10` was asked for and everyday_stand_in has 100"),
    ],
)
def test_options_that_contradict_the_folder_are_usage_errors(
    run_cli, trained_folder, leaves_nothing, options, sentence
):
    refused = run_cli(trained_folder, *options, "--output", leaves_nothing / "t.onnx")
    assert (refused.code, sentence in refused.sentence) == (2, True), refused.err


CARDS = {
    "a newer schema": ({"schema": 2}, "has the schema 2; this version reads 1. Upgrade imgcls-convert."),
    "an older schema": ({"schema": 0}, "Invalid enum value 0 - at `$.schema`"),
    "no classes": ({"classes": None}, "Object missing required field `classes`"),
    "one class twice": ({"classes": [{"id": 0, "label": "a"}, {"id": 0, "label": "b"}]}, "must be numbered 0, 1, 2"),
    "fewer classes": (
        {"classes": [{"id": 0, "label": "a"}, {"id": 1, "label": "b"}]},
        "its reference distribution has 100 classes, the model 2",
    ),
    "a name with folders": ({"name": "../../elsewhere"}, "at `$.name`"),
    "a temperature of 0": ({"temperature": 0}, "Expected `float` > 0.0 - at `$.temperature`"),
    "an unknown architecture": ({"architecture": "resnet999"}, "There is no architecture 'resnet999'"),
}


@pytest.mark.parametrize("what", CARDS)
def test_a_card_that_cannot_be_used_is_a_usage_error(run_cli, change_card, leaves_nothing, what):
    fields, sentence = CARDS[what]
    refused = run_cli(change_card(**fields), "--output", leaves_nothing / "t.onnx")
    assert (refused.code, sentence in refused.sentence) == (2, True), refused.err


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"name": "\xff"}'])
def test_a_damaged_card_is_a_usage_error(run_cli, change_card, leaves_nothing, content):
    folder = change_card()
    (folder / "model.json").write_bytes(content)
    refused = run_cli(folder, "--output", leaves_nothing / "t.onnx")
    assert refused.code == 2
    assert "model.json' is not the card of a trained model: " in refused.sentence


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("model.json", "holds no trained model: model.json cannot be read (No such file or directory)"),
        ("model.safetensors", "has a model.json and no model.safetensors, the weights; copy the whole folder"),
    ],
)
def test_a_folder_that_lacks_a_file_is_a_usage_error(run_cli, change_card, leaves_nothing, missing, sentence):
    folder = change_card()
    (folder / missing).unlink()
    refused = run_cli(folder, "--output", leaves_nothing / "t.onnx")
    assert (refused.code, sentence in refused.sentence) == (2, True), refused.err


def test_a_part_of_the_folder_gets_the_command_that_takes_it(run_cli, trained_folder, leaves_nothing):
    refused = run_cli(trained_folder / "model.safetensors", "--output", leaves_nothing / "t.onnx")
    assert refused.code == 2
    assert f"name its folder: `imgcls-convert {trained_folder}`" in refused.sentence


WEIGHTS = {
    "damaged": (lambda _: None, "is not a readable safetensors file"),
    "lacking": (lambda w: {k: v for k, v in w.items() if k != "head.bias"}, "it lacks head.bias. It is not what"),
    "of another size": (lambda w: w | {"head.weight": w["head.weight"][:10]}, "head.weight is [10, 256]"),
    "diverged": (lambda w: w | {"head.bias": w["head.bias"] * float("nan")}, "NaN or infinite values in head.bias"),
}


@pytest.mark.parametrize("what", WEIGHTS)
def test_weights_that_do_not_fit_the_card_fail_the_conversion(run_cli, change_card, leaves_nothing, what):
    change, sentence = WEIGHTS[what]
    folder = change_card()
    changed = change(load_file(folder / "model.safetensors"))
    if changed is None:
        (folder / "model.safetensors").write_bytes(b"not tensors")
    else:
        save_file({key: value.contiguous() for key, value in changed.items()}, folder / "model.safetensors")
    refused = run_cli(folder, "--output", leaves_nothing / "t.onnx")
    assert (refused.code, sentence in refused.sentence) == (5, True), refused.err


def test_a_name_of_the_catalog_is_never_a_folder(run_cli, trained_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained_folder, tmp_path / "resnet18")
    refused = run_cli("resnet18", "--image-size", "200")
    assert "This model resizes the shorter edge to 256 px" in refused.sentence
    refused = run_cli("./resnet18", "--num-classes", "10")
    assert "everyday_stand_in has 100" in refused.sentence
