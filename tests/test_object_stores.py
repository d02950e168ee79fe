"""Model store and bulk output on Google's and Azure's object stores: of two writers at once one wins, and both know."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from imgcls_batch.output.objects import BucketObjects
from imgcls_batch.sources.places import store_of
from imgcls_cli.object_stores import object_store
from imgcls_core import OnnxClassifier
from imgcls_core.artifact.seal import sealed_artifact
from imgcls_testing.commands import runner_of
from imgcls_train.cli import main as train_main
from object_store_servers import Objects, object_store_server

COLOURS = Path(__file__).parent / "data" / "colours.onnx"
train = runner_of(train_main)


def _another(path: Path) -> Path:
    """An artifact that answers as the other one does and is another file."""
    model = onnx.load(COLOURS)
    model.doc_string = path.name
    path.write_bytes(sealed_artifact(model.SerializeToString(), OnnxClassifier(COLOURS, provider="cpu").metadata))
    return path


@pytest.fixture(params=["gs", "az"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Objects, str]]:
    with object_store_server(request.param) as (objects, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        store_of.cache_clear()
        yield objects, f"{request.param}://models/production"
    store_of.cache_clear()


def test_a_model_goes_through_the_store_to_a_folder_that_can_be_served(
    store: tuple[Objects, str], tmp_path: Path
) -> None:
    published = train("publish", COLOURS, store[1])
    assert published.code == 0, published.err
    assert "nothing has changed" in train("publish", COLOURS, store[1]).out
    assert "* colours" in train("store", "list", store[1]).out
    assert train("pull", store[1], tmp_path).code == 0
    version = json.loads((tmp_path / "colours" / "latest.json").read_bytes())["version"]
    assert (tmp_path / "colours" / version / "colours.onnx").read_bytes() == COLOURS.read_bytes()


@pytest.mark.parametrize("is_first", [True, False], ids=["nothing there", "replaces another"])
def test_of_two_publishers_one_moves_the_pointer_and_the_other_looks_again(
    store: tuple[Objects, str], tmp_path: Path, *, is_first: bool
) -> None:
    """Somebody else publishes after the pointer was read for the last time, just before it is written."""
    objects, url = store
    ours, theirs = (_another(tmp_path / name) for name in ("ours.onnx", "theirs.onnx"))
    if not is_first:
        assert train("publish", COLOURS, url).code == 0

    def somebody_else(place: str) -> None:
        if place.endswith("/latest.json"):
            objects.before_write = lambda _: None
            assert train("publish", theirs, url, "--allow-worse").code == 0

    objects.before_write = somebody_else
    done = train("publish", ours, url, "--allow-worse", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["replaced"] == f"sha256-{hashlib.sha256(theirs.read_bytes()).hexdigest()}"


def test_an_object_that_is_there_is_not_created_again(store: tuple[Objects, str]) -> None:
    objects, url = store
    output = BucketObjects(url, url[:2])

    def somebody_else(place: str) -> None:
        objects.before_write = lambda _: None
        assert output.create("a", b"theirs")

    objects.before_write = somebody_else
    assert not output.create("a", b"ours")
    assert output.read("a") == b"theirs"
    assert not output.create("a", b"again")
    assert list(output.names("")) == ["a"]


def test_only_the_state_that_was_seen_is_replaced(store: tuple[Objects, str]) -> None:
    url = f"{store[1]}/a b%c.json"
    opened = object_store(store[1][:2])
    assert opened.state(url) is None
    assert opened.put(url, b"1", over=None)
    before = opened.state(url)
    assert opened.put(url, b"2", over=before)
    assert not opened.put(url, b"3", over=before)
    assert opened.filesystem.cat_file(url) == b"2"
