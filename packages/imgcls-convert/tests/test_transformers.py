"""Models of transformers: folders as it writes them, and what its own pipeline answers."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from imgcls_cli.progress import SilentProgress
from imgcls_core import OnnxClassifier
from imgcls_networks.loading import load_network
from imgcls_networks.models.reference import parse_model
from imgcls_networks.network import find_network
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification, ViTConfig, ViTImageProcessor, pipeline

NAMES = ["tench", "crane", "crane", "tabby cat", "maillot"]


def strong_weights(network):
    """Weights that make every image another answer; those that transformers begins with hardly tell images apart."""
    torch.manual_seed(20180)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 1.5 / parameter[0].numel() ** 0.5)
    return network


@pytest.fixture(scope="session")
def vit_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hf") / "tiny_vit"
    labels = dict(enumerate(NAMES))
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=8,
        num_labels=5, id2label=labels,
    )  # fmt: skip
    strong_weights(transformers.ViTForImageClassification(config)).save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}, resample=Image.Resampling.LANCZOS).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def vit(vit_folder, run_cli, tmp_path_factory):
    output = tmp_path_factory.mktemp("hf") / "vit.onnx"
    told = run_cli(vit_folder, "--output", output)
    assert told.code == 0, told.err
    return output, told


def edited(folder, tmp_path, name, **changes):
    """A copy of the folder with another setting."""
    copy = tmp_path / "edited"
    shutil.copytree(folder, copy)
    content = json.loads((copy / name).read_text()) | changes
    (copy / name).write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    return copy


def pipeline_answers(folder, image):
    network = AutoModelForImageClassification.from_pretrained(folder)
    answering = pipeline(
        "image-classification", network, image_processor=AutoImageProcessor.from_pretrained(folder, backend="pil")
    )
    return {entry["label"]: entry["score"] for entry in answering(image, top_k=100)}


def noise(height, width):
    pixels = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("size", [(32, 32), (300, 401), (20, 9), (77, 500)])
def test_an_artifact_answers_as_the_pipeline_of_transformers_does(vit, vit_folder, size, tmp_path):
    output, _ = vit
    given = json.loads((vit_folder / "config.json").read_text())
    unique = edited(vit_folder, tmp_path, "config.json", id2label={k: f"{v} {k}" for k, v in given["id2label"].items()})
    expected = pipeline_answers(unique, noise(*size))
    classifier = OnnxClassifier(output, provider="cpu", threads=1)
    answer = classifier.predict(np.asarray(noise(*size)))[0]
    assert answer == pytest.approx([expected[f"{name} {i}"] for i, name in enumerate(NAMES)], abs=1e-5)


def test_it_says_what_it_has_read_and_how_far_the_default_processor_is_from_pillow(vit):
    output, told = vit
    report = json.loads(output.with_suffix(".report.json").read_text())
    spec = report["preprocessing"]
    assert (spec["size"], spec["interpolation"], spec["mean"]) == ([32, 32], "lanczos", [0.5, 0.5, 0.5])
    assert report["source"]["architecture"] == "transformers.ViTForImageClassification"
    assert "ViTImageProcessor, which transformers takes unless told otherwise, moves probabilities by up to" in told.err
    labels = [entry.label for entry in OnnxClassifier(output, provider="cpu", threads=1).metadata.classes]
    assert labels == ["tench", "crane (1)", "crane (2)", "tabby cat", "maillot"]


REFUSED = {
    "code of its own": (
        "config.json",
        {"auto_map": {"AutoModelForImageClassification": "modeling_mine.Mine"}},
        "brings Python code of its own (modeling_mine.Mine, named by `auto_map` in its config.json)",
    ),
    "a processor with code of its own": (
        "preprocessor_config.json",
        {"auto_map": {"AutoImageProcessor": "processing_mine.Mine"}},
        "named by `auto_map` in its preprocessor_config.json",
    ),
    "code that is named oddly": ("config.json", {"auto_map": ["a.B"]}, "brings Python code of its own (['a.B']"),
    "an architecture elsewhere": (
        "config.json",
        {"architecture": "hf_hub:owner/model", "pretrained_cfg": {}},
        "names another place ('hf_hub:owner/model')",
    ),
    "settings that make no sense": (
        "preprocessor_config.json",
        {"image_processor_type": "PoolFormerImageProcessor", "crop_pct": 0.0},
        "make no sense: ",
    ),
    "a size beyond all networks": (
        "preprocessor_config.json",
        {"size": {"height": 100_000, "width": 100_000}},
        "resizes to 100000 px",
    ),
    "several labels an image": (
        "config.json",
        {"problem_type": "multi_label_classification"},
        "is for multi label classification: each of its outputs stands for itself",
    ),
    "a regression": ("config.json", {"problem_type": "regression"}, "is for regression"),
    "quantised weights": (
        "config.json",
        {"quantization_config": {"quant_method": "bitsandbytes"}},
        "are quantised (bitsandbytes)",
    ),
    "a network without a head": (
        "config.json",
        {"architectures": ["ViTModel"]},
        "was saved as ViTModel, which has no classes to name; fine-tune it as ViTForImageClassification",
    ),
    "a network that gives no classes": (
        "config.json",
        {"model_type": "vit_mae", "architectures": ["ViTMAEForPreTraining"]},
        "is a ViTMAEForPreTraining, and of its kind transformers",
    ),
    "a model that the library does not know": ("config.json", {"model_type": "no_such"}, "cannot read the config.json"),
    "names for other classes than the head has": (
        "config.json",
        {"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0, "b": 1}},
        "classifier.weight is [5, 16], and [2, 16] by the configuration, whose id2label names 2 classes",
    ),
    "numbers that begin with 1": (
        "config.json",
        {"id2label": {str(i): f"thing {i}" for i in range(1, 6)}},
        "numbers its 5 classes 1 to 5, and not 0, 1, 2, … without gaps; number them so",
    ),
    "a filter by its name": ("preprocessor_config.json", {"resample": "bicubic"}, "resample is 'bicubic', and not the"),
    "weights of another size": ("config.json", {"hidden_size": 32}, "do not fit ViTForImageClassification"),
    "a head that was never saved": ("config.json", {"num_hidden_layers": 3}, "would fill with random numbers"),
    "no resize": ("preprocessor_config.json", {"do_resize": False}, "does not resize (do_resize is false)"),
    "a shorter edge without a crop": (
        "preprocessor_config.json",
        {"size": {"shortest_edge": 32}},
        "resizes the shorter edge to 32 px and crops nothing",
    ),
    "edges that depend on the image": (
        "preprocessor_config.json",
        {"size": {"shortest_edge": 32, "longest_edge": 64}},
        "resizes to {'longest_edge': 64, 'shortest_edge': 32}, another shape for each image",
    ),
    "a crop that is filled up": (
        "preprocessor_config.json",
        {"do_center_crop": True, "crop_size": {"height": 40, "width": 40}},
        "fills up with black: it crops 40 × 40 px out of 32 px",
    ),
    "bars": (
        "preprocessor_config.json",
        {"do_pad": True, "pad_size": {"height": 48, "width": 48}},
        "pads to {'height': 48, 'width': 48} (do_pad)",
    ),
    "a processor that the library does not know": (
        "preprocessor_config.json",
        {"image_processor_type": "MineImageProcessor"},
        "names the image processor MineImageProcessor, which transformers",
    ),
    "a processor without a Pillow version": (
        "preprocessor_config.json",
        {"image_processor_type": "DINOv3ViTImageProcessor"},
        "The image processor DINOv3ViTImageProcessor of",
    ),
    "a processor that does more than its settings say": (
        "preprocessor_config.json",
        {"image_processor_type": "DonutImageProcessor"},
        "has code of its own",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_an_artifact_cannot_be_is_refused_by_name(run_cli, vit_folder, tmp_path, leaves_nothing, what):
    file, changes, sentence = REFUSED[what]
    folder = edited(vit_folder, tmp_path, file, **changes)
    refused = run_cli(folder, "--output", leaves_nothing / "m.onnx")
    assert refused.code in {2, 5}, refused.err
    assert sentence in refused.sentence, refused.sentence
    assert str(folder) in refused.sentence


def test_preprocessing_that_cannot_be_read_may_be_said_in_full(run_cli, vit_folder, tmp_path):
    folder = edited(vit_folder, tmp_path, "preprocessor_config.json", do_resize=False)
    half = ["0.5", "0.5", "0.5"]
    said = run_cli(
        folder, "--image-size", "32", "--mean", *half, "--std", *half, "--output", tmp_path / "m.onnx"
    )  # fmt: skip
    assert (said.code, "resize to 32 × 32 px (bilinear)" in said.out) == (0, True), said.err


def test_an_artifact_is_verified_against_the_folder_it_came_from(run_cli, vit, vit_folder):
    output, _ = vit
    assert run_cli("verify", output, "--model", vit_folder).code == 0


def test_weights_in_shards_and_in_pickles_are_read_alike(run_cli, vit, vit_folder, tmp_path):
    """Only the reading is asked here: the artifact of the whole file answers as one from the parts would."""
    network = AutoModelForImageClassification.from_pretrained(vit_folder)
    sharded, pickled = tmp_path / "sharded", tmp_path / "pickled"
    for folder in (sharded, pickled):
        shutil.copytree(vit_folder, folder)
        (folder / "model.safetensors").unlink()
    network.save_pretrained(sharded, max_shard_size="8KB")
    assert len(list(sharded.glob("model-*.safetensors"))) > 1
    torch.save(network.state_dict(), pickled / "pytorch_model.bin")
    for folder in (sharded, pickled):
        found = find_network(parse_model(str(folder)), None, own_weights=False)
        loaded, _ = load_network(found, None, SilentProgress())
        assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), network.parameters(), strict=True))


class Runs:
    """A pickle that leaves a trace where it runs."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_an_adapter_says_how_it_becomes_a_model(run_cli, tmp_path, leaves_nothing):
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora/adapter_config.json").write_text("{}")
    refused = run_cli(tmp_path / "lora", "--output", leaves_nothing / "m.onnx")
    assert (refused.code, "`model.merge_and_unload().save_pretrained(FOLDER)`" in refused.sentence) == (2, True)


def test_code_in_a_pickle_of_weights_never_runs(run_cli, vit_folder, tmp_path, leaves_nothing):
    folder = edited(vit_folder, tmp_path, "config.json")
    (folder / "model.safetensors").unlink()
    torch.save({"classifier.weight": Runs(tmp_path / "ran")}, folder / "pytorch_model.bin")
    assert run_cli(folder, "--output", leaves_nothing / "m.onnx").code == 5
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub that nobody can reach, and an empty cache."""
    import huggingface_hub.constants as constants

    for name, value in {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": True}.items():
        monkeypatch.setattr(constants, name, value)
    return tmp_path / "hub"


def test_a_hub_that_cannot_be_reached_is_told_with_what_was_tried(run_cli, hub, leaves_nothing):
    refused = run_cli("hf/owner/tiny", "--revision", "v2", "--output", leaves_nothing / "m.onnx")
    assert refused.code == 3
    assert "at revision v2 (no question was asked, because HF_HUB_OFFLINE is set)" in refused.sentence
    assert f"the cache {hub} (it is not there)" in refused.sentence
    assert "`hf download owner/tiny`" in refused.sentence


def test_a_model_in_the_hubs_cache_needs_no_hub(hub, vit_folder):
    commit = "0123456789012345678901234567890123456789"
    snapshot = hub / "models--owner--tiny" / "snapshots" / commit
    shutil.copytree(vit_folder, snapshot)
    (hub / "models--owner--tiny" / "refs").mkdir()
    (hub / "models--owner--tiny" / "refs" / "main").write_text(commit)
    found = find_network(parse_model("hf/owner/tiny"), None, own_weights=False)
    _, weights = load_network(found, None, SilentProgress())
    assert (found.name, weights.path) == ("tiny", snapshot / "model.safetensors")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["hf/a/b/c"], "write `hf/OWNER/NAME` or `hf/OWNER/NAME@REVISION`"),
        (["hf/a/b@v1", "--revision", "v2"], "names a revision already; leave `--revision v2` out"),
        (["resnet18", "--revision", "v2"], "`--revision` is for models of the Hugging Face hub"),
        (["hf/a/b", "--weights", "w.pth"], "'hf/a/b' has its own weights; leave `--weights` out"),
    ],
)
def test_names_of_the_hub_that_make_no_sense_are_usage_errors(run_cli, leaves_nothing, arguments, sentence):
    refused = run_cli(*arguments, "--output", leaves_nothing / "m.onnx")
    assert (refused.code, sentence in refused.sentence) == (2, True), refused.err


def test_a_folder_of_transformers_says_what_to_install_when_the_library_is_missing(
    run_cli, vit_folder, leaves_nothing, monkeypatch
):
    monkeypatch.setattr("imgcls_networks.models.hugging_face.find_spec", lambda _name: None)
    for model in (vit_folder, "hf/owner/tiny"):
        refused = run_cli(model, "--output", leaves_nothing / "m.onnx")
        assert (refused.code, "`pip install imgcls-convert[transformers]`" in refused.sentence) == (2, True)
