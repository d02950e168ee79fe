"""From a dataset to a service that is watched: every command once, each on what the one before it wrote."""

import io
import json
import pickle

import numpy as np
import pytest
from PIL import Image

CLASSES = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (200, 50, 40)}
NETWORK = """
from torch import nn

def tiny(num_classes=3):
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, stride=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, num_classes),
    )
"""
ADMIN_TOKEN = "a-token-for-this-test"  # noqa: S105


def pixels(colours, count, seed):
    """uint8 [count, 32, 32, 3] and class ids, colours in turn, under noise."""
    random = np.random.default_rng(seed)
    labels = [i % len(colours) for i in range(count)]
    return random.normal(np.array(colours)[labels][:, None, None], 50, (count, 32, 32, 3)).clip(0, 255), labels


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """CIFAR-100's files as torchvision reads them, with three classes."""
    root = tmp_path_factory.mktemp("data")
    (root / "cifar-100-python").mkdir()
    for name, count in (("train", 240), ("test", 120)):
        images, labels = pixels(list(CLASSES.values()), count, count)
        rows = images.astype(np.uint8).transpose(0, 3, 1, 2).reshape(count, -1)
        content = {"data": rows, "fine_labels": labels, "coarse_labels": labels}
        (root / "cifar-100-python" / name).write_bytes(pickle.dumps(content))
    (root / "cifar-100-python" / "meta").write_bytes(pickle.dumps({"fine_label_names": list(CLASSES)}))
    return root


@pytest.fixture(scope="module")
def run(imgcls, dataset, tmp_path_factory):
    """A trained and evaluated model's folder."""
    folder = tmp_path_factory.mktemp("runs") / "colours"
    network = folder.parent / "network.py"
    network.write_text(NETWORK, encoding="utf-8")
    fitted = imgcls(
        *("train", "fit", dataset, "--run", folder, "--architecture", f"{network}:tiny", "--epochs", "6"),
        *("--batch-size", "16", "--image-size", "32", "--learning-rate", "0.02"),
        own_process=True,
    )
    assert fitted.returncode == 0, fitted.stderr
    evaluated = imgcls("train", "evaluate", folder, dataset, "--fit-temperature", "--json")
    assert evaluated.returncode == 0, evaluated.stderr
    return folder


@pytest.fixture(scope="module")
def converted(imgcls, run, tmp_path_factory):
    artifact = tmp_path_factory.mktemp("models") / "colours.onnx"
    done = imgcls("convert", run, "--output", artifact)
    assert done.returncode == 0, done.stderr
    return artifact


def test_the_report_on_the_dataset_comes_first(imgcls, dataset, tmp_path):
    done = imgcls("train", "data", dataset, "--html", tmp_path / "data.html", "--json")
    assert done.returncode == 0, done.stderr
    assert "blue" in done.stdout
    assert (tmp_path / "data.html").stat().st_size > 1000


def test_the_artifact_knows_what_its_model_was_trained_and_evaluated_for(imgcls, converted, run):
    card = json.loads((run / "model.json").read_text(encoding="utf-8"))
    assert card["evaluation"]["top1_pct"] > 90
    shown = imgcls("convert", "inspect", converted, "--json")
    assert shown.returncode == 0, shown.stderr
    assert '"green"' in shown.stdout
    assert imgcls("convert", "verify", converted, "--model", run).returncode == 0


def test_int8_of_a_trained_model_is_calibrated_on_images_of_its_own(imgcls, run, tmp_path):
    images, _ = pixels(list(CLASSES.values()), 96, 7)
    for i, image in enumerate(images.astype(np.uint8)):
        Image.fromarray(image).save(tmp_path / f"{i:03}.png")
    output = tmp_path / "colours_int8.onnx"
    done = imgcls("convert", run, "--precision", "int8", "--calibrate", tmp_path, "--output", output)
    assert done.returncode == 0, done.stderr
    assert output.is_file()


def test_a_published_model_is_served_and_its_drift_shows(imgcls, converted, dataset, start_service, tmp_path):
    store = tmp_path / "store"
    published = imgcls("train", "publish", converted, store, "--dataset", dataset, "--split", "val")
    assert published.returncode == 0, published.stderr
    with start_service(models_dir=store, provider="cpu", drift_window_s=3600, admin_token=ADMIN_TOKEN) as service:
        of_all = drift_after(service, list(CLASSES.values()), seed=11)
        assert of_all["classes"]["psi"] < 0.25
        of_one = drift_after(service, [CLASSES["red"]], seed=12)
        assert of_one["classes"]["psi"] > 0.25


def drift_after(service, colours, *, seed):
    """Sends 300 images in these colours and gives the figures of the drift since the start."""
    for image in pixels(colours, 300, seed)[0].astype(np.uint8):
        encoded = io.BytesIO()
        Image.fromarray(image).save(encoded, "PNG")
        assert service.predict(encoded.getvalue()).status_code == 200
    answer = service.client.get("/models/colours/drift")
    assert answer.status_code == 200, answer.text
    return answer.json()["drift"]
