"""`--decode scaled`: declared in the artifact, judged on large photos, followed by its golden cases."""

import base64
import json

import numpy as np
import pytest
from imgcls_core import ImagePreprocessor, OnnxClassifier
from msgspec import structs
from PIL import Image

NETWORK = """
import torch
from torch import nn

def build():
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(3, 16, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 5))
"""


@pytest.fixture
def convert(run_cli, tmp_path, monkeypatch):
    # Small photos are enlarged to this, and not to what cameras make.
    monkeypatch.setattr("imgcls_convert.images.selection._CAMERA_PX", 400)
    (tmp_path / "net.py").write_text(NETWORK, encoding="utf-8")
    spread = ("--mean", "0.5", "0.5", "0.5", "--std", "0.02", "0.02", "0.02")
    asked = (f"{tmp_path / 'net.py'}:build", "--image-size", "48", *spread, "--decode", "scaled", "--weak-proof")
    return lambda *arguments: run_cli(*asked, "--output", tmp_path / "net.onnx", *arguments)


@pytest.fixture
def photos(tmp_path):
    """Three JPEGs that are decoded at a quarter, with detail in every pixel, and a small one."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, side in enumerate((420, 440, 460, 60)):
        dice = np.random.default_rng(i)
        few = Image.fromarray(dice.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize((side, side))
        grain = dice.integers(-60, 61, (side, side, 1))
        Image.fromarray((np.asarray(few) + grain).clip(0, 255).astype(np.uint8)).save(folder / f"{i}.jpg", quality=90)
    return folder


def test_it_is_declared_judged_on_large_photos_and_followed_by_the_golden_cases(convert, photos, tmp_path):
    told = convert("--golden", photos, "--min-agreement", "1")
    assert told.code == 0, told.err
    classifier = OnnxClassifier(tmp_path / "net.onnx", provider="cpu")
    assert (classifier.metadata.preprocessing.decode, classifier.metadata.schema) == ("scaled", 2)
    judged = json.loads((tmp_path / "net.report.json").read_text(encoding="utf-8"))["decoding"]
    assert (judged["images"], judged["enlarged"]) == (4, 1)
    assert 0 < judged["mean_abs_diff"] <= judged["max_abs_diff"]
    assert "3 of 4 photos are large enough" in told.err
    assert "large JPEGs decoded at 1/2, 1/4 or 1/8" in told.out
    classifier.check_golden()
    # Who decodes them whole is caught.
    case = classifier.metadata.golden[0]
    whole = ImagePreprocessor(structs.replace(classifier.metadata.preprocessing, decode="exact"))
    answer = classifier.predict(whole(base64.b64decode(case.image_base64)))[0]
    assert np.abs(answer - np.frombuffer(case.vector, "<f4")).max() > classifier.metadata.golden_tolerance
    assert {"whole_decode", "reduced_decode"} <= {one.fault for one in case.counterfactuals}


def test_photos_that_are_of_other_classes_then_are_a_refusal(convert, photos, monkeypatch, tmp_path):
    monkeypatch.setattr("imgcls_convert.parity.decoding.MIN_AGREEMENT", {"int8": 1.01})
    told = convert("--golden", photos)
    assert told.code == 5
    assert "Decoded at a reduced scale, large photos get the class that they get decoded whole" in told.err
    assert not (tmp_path / "net.onnx").exists()


def test_without_photos_nothing_can_judge_it(convert):
    told = convert()
    assert told.code == 2
    assert "is judged on photos, and none was given" in told.err


def test_where_no_golden_image_is_large_one_is_enlarged(convert, photos, tmp_path):
    for i in range(3):
        (photos / f"{i}.jpg").unlink()
    assert convert("--golden", photos, "--min-agreement", "1").code == 0
    names = [case.name for case in OnnxClassifier(tmp_path / "net.onnx", provider="cpu").metadata.golden]
    assert names == ["3.jpg", "3.jpg, enlarged"]
