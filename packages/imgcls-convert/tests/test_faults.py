"""Golden cases say which fault makes a wrong answer; a proof that shows nothing is refused; seals and signatures."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import onnx
import pytest
from imgcls_contract import FAULTS
from imgcls_core import OnnxClassifier
from imgcls_core.artifact.seal import sealed_artifact
from msgspec import structs


def test_golden_cases_cover_the_ways_in_which_images_are_sent(colours) -> None:
    names = {case.name for case in colours.classifier().metadata.golden}
    assert {"landscape.jpg", "letter_f_on_its_side.jpg", "mosaic_with_alpha.png", "rings_gray.png"} <= names


def test_golden_cases_hold_whole_answers_and_what_faults_would_give(colours) -> None:
    classifier = colours.classifier()
    golden = classifier.metadata.golden
    assert all(case.vector is not None and len(case.vector) == 4 * 8 for case in golden)
    known = {one.fault for case in golden for one in case.counterfactuals}
    assert known <= set(FAULTS)
    # Each colour fills what this network sees of an image, so that resizing wrongly changes few of its answers.
    assert known >= {
        "channels_exchanged", "not_normalised", "other_mean_std", "not_scaled", "softmax_twice", "logits", "crop_wrong",
        "gray_as_negative", "alpha_dropped", "labels_shifted_up", "labels_shifted_down",
    }  # fmt: skip


@pytest.fixture
def bgr_network(tmp_path: Path, colours_model: list[str]) -> list[str]:
    """The colour network with red and blue exchanged before it."""
    source = Path(colours_model[0].rsplit(":", 1)[0]).read_text(encoding="utf-8")
    (tmp_path / "bgr.py").write_text(
        f"{source}\n\ndef exchanged():\n    network = build()\n"
        "    right = network.forward\n    network.forward = lambda x: right(x.flip(1))\n    return network\n",
        encoding="utf-8",
    )
    return [f"{tmp_path}/bgr.py:exchanged", *colours_model[1:]]


def test_diff_names_the_fault_that_explains_all_answers(run_cli, colours, bgr_network, tmp_path) -> None:
    assert run_cli(*bgr_network, "--output", tmp_path / "bgr.onnx").code == 0
    found = run_cli("diff", colours.path, tmp_path / "bgr.onnx")
    assert found.code == 1
    assert "answers are those of: red and blue exchanged" in found.out


CONSTANT = """
import torch
from torch import nn

class Constant(nn.Module):
    def __init__(self, slope):
        super().__init__()
        self.linear = nn.Linear(3, 2)
        with torch.no_grad():
            self.linear.weight.copy_(torch.tensor([[slope] * 3, [0.0] * 3]))
            self.linear.bias.copy_(torch.tensor([3.0, 0.0]))

    def forward(self, x):
        return self.linear(x.mean((2, 3)))
"""


@pytest.mark.parametrize(("slope", "reason"), [("0", "golden images alike"), ("0.1", "golden images are of class 0")])
def test_a_proof_that_shows_nothing_is_refused(run_cli, tmp_path, leaves_nothing, slope, reason) -> None:
    (tmp_path / "constant.py").write_text(CONSTANT, encoding="utf-8")
    model = [f"{tmp_path}/constant.py:Constant({slope})", "--image-size", "32"]
    refused = run_cli(*model, "--output", leaves_nothing / "c.onnx")
    assert (refused.code, reason in refused.sentence, "`--weak-proof`" in refused.sentence) == (5, True, True)
    assert run_cli(*model, "--weak-proof", "--output", tmp_path / "c.onnx").code == 0


def test_verify_tells_what_was_changed_after_the_seal(run_cli, colours, tmp_path) -> None:
    model = onnx.load(colours.path)
    for entry in model.metadata_props:
        if entry.key == "imgcls.classes":
            entry.value = entry.value.replace("red", "crimson")
    onnx.save(model, tmp_path / "edited.onnx")
    found = run_cli("verify", tmp_path / "edited.onnx")
    assert (found.code, "changed: " in found.sentence, "the labels" in found.sentence) == (1, True, True)


def test_an_artifact_is_signed_and_its_signature_verified(run_cli, colours, tmp_path) -> None:
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    from cryptography.hazmat.primitives import serialization as form

    key, other = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    )
    file = tmp_path / "signed.onnx"
    file.write_bytes(colours.path.read_bytes())
    public, unknown = (base64.b64encode(one.public_key().public_bytes_raw()).decode() for one in (key, other))
    assert run_cli("verify", file, "--key", public).code == 1
    told = run_cli("sign", file, "--key", tmp_path / "key.pem")
    assert told.code == 0, told.err
    assert run_cli("verify", file, "--key", public).code == 0
    refused = run_cli("verify", file, "--key", unknown)
    assert (refused.code, "trusted" in refused.sentence) == (1, True)
    assert "signed by " in run_cli("inspect", file).out
    blank = np.zeros((1, 9, 9, 3), np.uint8)
    assert np.array_equal(*(OnnxClassifier(path, provider="cpu").predict(blank) for path in (file, colours.path)))


def test_labels_of_an_artifact_never_steer_the_terminal(run_cli, colours, tmp_path) -> None:
    classifier = colours.classifier()
    first, *others = classifier.metadata.classes
    evil = structs.replace(classifier.metadata, classes=(structs.replace(first, label="red\x1b[31m"), *others))
    (tmp_path / "evil.onnx").write_bytes(sealed_artifact(colours.path.read_bytes(), evil))
    for command in (["inspect", tmp_path / "evil.onnx"], ["diff", tmp_path / "evil.onnx", colours.path]):
        assert "\x1b" not in run_cli(*command).out
    assert r"red\u001b[31m" in run_cli("inspect", tmp_path / "evil.onnx").out
