"""`imgcls-train store prune`, and what is wrongly asked of a store."""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import pytest

if TYPE_CHECKING:
    from conftest import MakeArtifact
    from imgcls_testing.commands import RunCli


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def latest(run_cli: RunCli, store: object) -> str:
    """The version that is served."""
    rows = json.loads(run_cli("store", "list", store, "--json").out)["versions"]
    return next(row["version"] for row in rows if row["is_latest"])


@pytest.fixture
def own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publications follow one another by a second."""
    seconds = itertools.count(10)
    monkeypatch.setattr("imgcls_train.store.publication._now", lambda: f"2026-01-01T00:00:{next(seconds)}+00:00")


@pytest.mark.usefixtures("own_clock")
def test_prune_keeps_the_newest_the_latest_and_the_one_to_go_back_to(
    run_cli: RunCli, store: str, tmp_path: Path, make_artifact: MakeArtifact
) -> None:
    artifacts = [make_artifact(tmp_path / f"{i}.onnx", doc_string=f"number {i}") for i in range(5)]
    for artifact in artifacts:
        assert run_cli("publish", artifact, store, "--allow-worse", "--report", artifact).code == 0
    ids = [f"sha256-{_sha256(artifact)}" for artifact in artifacts]
    run_cli("store", "rollback", store, ids[1])
    shown = run_cli("store", "prune", store, "--keep", "1", "--dry-run")
    assert shown.out.count("would be removed") == 4  # three versions, and their sum
    assert len(json.loads(run_cli("store", "list", store, "--json").out)["versions"]) == 5
    pruned = json.loads(run_cli("store", "prune", store, "--keep", "1", "--json").out)
    assert set(pruned["removed"]) == {ids[0], ids[2], ids[3]}
    left = json.loads(run_cli("store", "list", store, "--json").out)
    assert {row["version"] for row in left["versions"]} == {ids[1], ids[4]}
    assert latest(run_cli, store) == ids[1]
    filesystem, root = fsspec.core.url_to_fs(store)
    assert not [path for path in filesystem.find(root) if ids[2] in path]


@pytest.mark.usefixtures("own_clock")
def test_a_version_that_somebody_goes_back_to_while_it_is_pruned_stays(
    run_cli: RunCli, tmp_path: Path, make_artifact: MakeArtifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    artifacts = [make_artifact(tmp_path / f"{i}.onnx", doc_string=f"number {i}") for i in range(3)]
    for artifact in artifacts:
        run_cli("publish", artifact, store, "--allow-worse")
    from imgcls_train.store.model_store import ModelStore

    withdraw = ModelStore.withdraw

    def slow(self: ModelStore, version: Any) -> None:
        assert run_cli("store", "rollback", store, _sha256(artifacts[0])).code == 0
        withdraw(self, version)

    with monkeypatch.context() as patched:
        patched.setattr(ModelStore, "withdraw", slow)
        assert json.loads(run_cli("store", "prune", store, "--keep", "1", "--json").out)["removed"] == []
    assert latest(run_cli, store) == f"sha256-{_sha256(artifacts[0])}"
    assert run_cli("store", "prune", store, "--keep", "1").code == 0
    assert json.loads(run_cli("store", "list", store, "--json").out)["unfinished"] == 0


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (("list", "{store}"), "There is no model in", 3),
        (("rollback", "{store}", "abc"), "There is no model in", 2),
        (("prune", "{store}", "--keep", "2"), "There is no model in", 2),
        (("prune", "{store}"), "Missing option '--keep'", 2),
        (("prune", "{store}", "--keep", "0"), "--keep", 2),
        (("sweep", "{store}"), "sweep", 2),
    ],
)
def test_wrong_requests_of_a_store_are_one_sentence(
    run_cli: RunCli, tmp_path: Path, arguments: tuple[str, ...], said: str, code: int
) -> None:
    outcome = run_cli("store", *(one.format(store=tmp_path / "store") for one in arguments))
    assert outcome.code == code
    assert said in outcome.err
    assert "Traceback" not in outcome.err
