"""The model store on a real S3-compatible server on loopback."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import s3fs
from imgcls_cli.object_stores import ObjectStore
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from conftest import MakeArtifact
    from imgcls_testing.commands import Outcome

COLOURS = Path(__file__).parents[3] / "tests" / "data" / "colours.onnx"
SECRET = "a-very-secret-value"  # noqa: S105


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket; the environment says where it is and how to get in, as it would in production."""
    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().makedirs("models", exist_ok=True)
    yield "s3://models/production"
    s3fs.S3FileSystem.clear_instance_cache()


def test_a_model_goes_through_s3_to_a_folder_that_can_be_served(
    run_cli: Callable[..., Outcome], bucket: str, tmp_path: Path
) -> None:
    published = run_cli("publish", COLOURS, bucket)
    assert published.code == 0, published.err
    assert "nothing has changed" in run_cli("publish", COLOURS, bucket).out
    assert "* colours" in run_cli("store", "list", bucket).out
    assert run_cli("pull", bucket, tmp_path).code == 0
    version = json.loads((tmp_path / "colours" / "latest.json").read_bytes())["version"]
    content = (tmp_path / "colours" / version / "colours.onnx").read_bytes()
    assert version == f"sha256-{hashlib.sha256(content).hexdigest()}"
    assert content == COLOURS.read_bytes()


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({}, "s3://nowhere/models"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}, "s3://models/production"),
    ],
    ids=["no such bucket", "no server"],
)
def test_a_store_that_cannot_be_reached_is_one_sentence_without_secrets(
    run_cli: Callable[..., Outcome],
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, str],
    url: str,
) -> None:
    assert bucket
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    refused = run_cli("publish", COLOURS, url)
    assert refused.code == 3
    assert f"The model store {url!r} cannot be reached or refuses" in refused.err
    assert SECRET not in refused.err
    assert "Traceback" not in refused.err


@pytest.mark.parametrize("is_first", [True, False], ids=["nothing there", "replaces another"])
def test_of_two_publishers_s3_lets_one_move_the_pointer_and_the_other_looks_again(
    run_cli: Callable[..., Outcome],
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    make_artifact: MakeArtifact,
    *,
    is_first: bool,
) -> None:
    """Somebody else publishes after the pointer was read for the last time, just before it is written."""
    url = f"{bucket}/{'first' if is_first else 'later'}"
    paths = [make_artifact(tmp_path / name, doc_string=name) for name in ("one.onnx", "two.onnx")]
    if not is_first:
        assert run_cli("publish", COLOURS, url).code == 0
    put = ObjectStore.put

    def late(self: ObjectStore, place: str, *given: Any, **options: Any) -> bool:
        monkeypatch.setattr(ObjectStore, "put", put)
        assert run_cli("publish", paths[0], url, "--allow-worse").code == 0
        return put(self, place, *given, **options)

    monkeypatch.setattr(ObjectStore, "put", late)
    done = run_cli("publish", paths[1], url, "--allow-worse", "--json")
    assert done.code == 0, done.err
    first = f"sha256-{hashlib.sha256(paths[0].read_bytes()).hexdigest()}"
    assert json.loads(done.out)["replaced"] == first
