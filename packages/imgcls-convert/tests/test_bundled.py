"""The model in the package, its very files: these tests fail where one is missing, too large or says too little."""

import base64
import csv
import json

import pytest
from imgcls_core import ImagePreprocessor, OnnxClassifier
from imgcls_everyday100 import ARTIFACT
from imgcls_networks.architectures.architecture import build_architecture
from imgcls_networks.models import bundled
from imgcls_networks.models.trained_model import TrainedModel
from safetensors import safe_open

MAX_BYTES = 6_000_000
MAX_PARAMETERS = 3_100_000


@pytest.fixture(scope="module")
def card():
    return TrainedModel.read(bundled.bundled_folder())


@pytest.fixture(scope="module")
def artifact(everyday100):
    assert everyday100.outcome.code == 0, everyday100.outcome.err
    return everyday100.path


def test_it_is_small_and_half_precision(card):
    assert sum(path.stat().st_size for path in bundled.bundled_folder().iterdir()) <= MAX_BYTES
    network = build_architecture(card.architecture, len(card.classes))
    assert sum(weight.numel() for weight in network.parameters()) <= MAX_PARAMETERS
    with safe_open(bundled.bundled_folder() / "model.safetensors", "np") as weights:
        kinds = {weights.get_slice(key).get_dtype() for key in weights.keys()}  # noqa: SIM118 - not a mapping
    assert kinds <= {"F16", "I64"}  # the counters of batch normalisation are whole numbers


def test_its_card_says_what_it_knows_how_well_and_under_what_terms(card):
    assert card.name == "everyday100"
    assert len(card.classes) == 100
    assert all(entry.wnid for entry in card.classes)
    assert "ImageNet" in card.terms
    assert card.evaluation.images == card.reference.images
    assert card.evaluation.split_sha256
    assert card.preprocessing.size == (64, 64)


def test_the_list_shows_it(run_cli, card):
    row = json.loads(run_cli("--list", "--json").out)[0]
    assert (row["name"], row["in_package"], row["licence"]) == ("everyday100", True, " ".join(card.terms.split()))


def test_its_artifact_is_proven_and_carries_the_reference(artifact, card):
    classifier = OnnxClassifier(artifact, provider="cpu")
    classifier.check_golden()
    assert classifier.metadata.reference == card.reference
    assert classifier.metadata.parity.max_abs_diff <= 1e-5


def test_the_committed_artifact_is_what_conversion_makes_now(artifact):
    """Where this fails: make it anew by the command in the README of imgcls-everyday100."""
    made, committed = OnnxClassifier(artifact, provider="cpu"), OnnxClassifier(ARTIFACT, provider="cpu")
    new, old = made.metadata, committed.metadata
    assert (old.classes, old.preprocessing, old.reference, old.accuracy) == (
        *(new.classes, new.preprocessing, new.reference, new.accuracy),
    )
    assert (old.name, old.source.weights_sha256, old.source.terms) == (
        *(new.name, new.source.weights_sha256, new.source.terms),
    )
    assert [case.image_base64 for case in old.golden] == [case.image_base64 for case in new.golden]
    for case in new.golden:
        image = base64.b64decode(case.image_base64)
        assert abs(made.predict(image) - committed.predict(image)).max() <= 0.005  # fp16 moved them by 0.001


def test_it_recognises_photos_of_its_classes(artifact, real_data):
    """Whole photos squashed to 64 px, whose objects are smaller than those it was trained on; chance is 1 %."""
    classifier = OnnxClassifier(artifact, provider="cpu")
    known = {entry.wnid: entry.id for entry in classifier.metadata.classes}
    photos = real_data / "imagenet-sample"
    with (photos / "labels.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["wnid"] in known]
    assert len(rows) >= 20
    preprocess = ImagePreprocessor(classifier.metadata.preprocessing)
    right = [
        classifier.predict(preprocess((photos / row["file"]).read_bytes()))[0].argmax() == known[row["wnid"]]
        for row in rows
    ]
    assert sum(right) / len(right) > 0.4
