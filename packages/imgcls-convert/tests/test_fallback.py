"""`imgcls-convert` without MODEL where ResNet-18 cannot be downloaded. A stand-in takes the bundled model's place."""

import hashlib
import json

import pytest
from imgcls_networks.models.catalog import read_catalog
from imgcls_networks.weights.source import WeightsSource
from msgspec.structs import replace


@pytest.fixture(autouse=True)
def nothing_can_be_reached(monkeypatch, tmp_path):
    """An empty cache, and a proxy that refuses every connection."""
    monkeypatch.setenv("IMGCLS_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def here(monkeypatch, tmp_path):
    """An empty folder to work in."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def bundled(monkeypatch, trained_folder):
    monkeypatch.setattr("imgcls_networks.models.bundled.bundled_folder", lambda: trained_folder)


@pytest.mark.usefixtures("bundled")
def test_the_bundled_model_is_converted_under_its_own_name_and_everything_says_so(run_cli, here):
    told = run_cli()
    assert told.code == 0, told.err
    assert sorted(path.name for path in (here / "models").iterdir()) == [
        "everyday_stand_in.onnx", "everyday_stand_in.report.html", "everyday_stand_in.report.json",
    ]  # fmt: skip
    assert "model     everyday_stand_in, in place of resnet18" in told.out
    note = next(line for line in told.err.splitlines() if line.startswith("note: "))
    assert "the weights of resnet18 cannot be downloaded: tried https://download.pytorch.org/models/resnet18-" in note
    assert "; https://www.dropbox.com/" in note
    assert "(ConnectError: " in note
    assert "Converting the bundled model everyday_stand_in" in note
    assert "instead, to models/everyday_stand_in.onnx." in note
    assert "`imgcls-convert resnet18 --weights FILE`" in note
    report = json.loads((here / "models/everyday_stand_in.report.json").read_text(encoding="utf-8"))
    assert report["model"] == report["name"] == "everyday_stand_in"
    assert report["fallback"]["instead_of"] == "resnet18"
    assert len(report["fallback"]["because"]) == 2
    assert report["notes"][0].startswith("the weights of resnet18 cannot be downloaded")


@pytest.mark.usefixtures("bundled")
def test_a_model_that_was_named_is_never_replaced(run_cli, here):
    refused = run_cli("resnet18")
    assert refused.code == 3
    assert "The weights of resnet18 cannot be downloaded. Tried https://" in refused.sentence
    assert "everyday100 comes with the package" in refused.sentence
    assert list(here.iterdir()) == []


@pytest.mark.usefixtures("bundled")
@pytest.mark.parametrize(
    "options",
    [
        ["--output", "resnet18.onnx"],
        ["--weights", "https://example.org/resnet18.pth"],
        ["--labels", "imagenet1k"],
        ["--num-classes", "1000"],
        ["--resize", "256"],
        ["--mean", "0.5", "0.5", "0.5"],
    ],
    ids=lambda options: options[0],
)
def test_options_about_a_model_never_end_in_another_one(run_cli, here, options):
    """Whoever names the file, the weights or the classes has a model in mind: ResNet-18, which the help names."""
    refused = run_cli(*options)
    assert refused.code == 3
    assert f"Because `{options[0]}` was given, no other model takes its place" in refused.sentence
    assert "`imgcls-convert everyday100` converts the bundled one" in refused.sentence
    assert list(here.iterdir()) == []


@pytest.mark.usefixtures("here")
def test_without_the_bundled_model_the_download_is_what_failed(run_cli, monkeypatch):
    monkeypatch.setattr("imgcls_networks.models.bundled.CARD_NAME", "gone.json")
    refused = run_cli()
    assert refused.code == 3
    assert "The weights of resnet18 cannot be downloaded" in refused.sentence
    named = run_cli("everyday100")
    assert named.code == 2
    assert "The bundled model everyday100 is missing from this installation" in named.sentence


@pytest.mark.usefixtures("bundled")
def test_only_a_failed_download_is_a_reason_for_another_model(run_cli, here, monkeypatch, tmp_path):
    """The cache has a file, so nothing is downloaded; that it is no checkpoint is not a matter of the network."""
    source = WeightsSource("https://example.org/resnet18.pth", hashlib.sha256(b"no checkpoint").hexdigest())
    catalog = read_catalog()
    catalog["resnet18"] = replace(catalog["resnet18"], sources=(source,))
    monkeypatch.setattr("imgcls_networks.models.reference.read_catalog", lambda: catalog)
    kept = tmp_path / "cache/weights" / f"{source.sha256[:8]}-resnet18.pth"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"no checkpoint")
    refused = run_cli()
    assert refused.code == 5
    assert "-resnet18.pth' is not a PyTorch file or is damaged" in refused.sentence
    assert list(here.iterdir()) == []
