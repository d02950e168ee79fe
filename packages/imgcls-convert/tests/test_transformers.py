"""Models of transformers: folders as it writes them, and what its own pipeline answers."""

import json
import shutil

import numpy as np
import pytest
import torch
import transformers
from imgcls_core import OnnxClassifier
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
