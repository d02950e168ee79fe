"""What a store may say and hold: nothing of it makes `publish` or `pull` write, read or wait outside of it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from imgcls_testing.commands import RunCli

if TYPE_CHECKING:
    from conftest import MakeArtifact

COLOURS = Path(__file__).parents[3] / "tests" / "data" / "colours.onnx"
VERSION = f"sha256-{hashlib.sha256(COLOURS.read_bytes()).hexdigest()}"
OTHER = "0" * 64


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, whatever it is called."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def store(run_cli: RunCli, tmp_path: Path) -> Path:
    """A store in a folder with one version and one report; a test may change it."""
    report = tmp_path / "report.html"
    report.write_text("<p>a report</p>", encoding="utf-8")
    published = run_cli("publish", COLOURS, tmp_path / "store", "--report", report)
    assert published.code == 0, published.err
    return tmp_path / "store"


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


ESCAPES: dict[str, Callable[[dict[str, Any]], object]] = {
    "name of the model": lambda v: v.update(name="../../escaped"),
    "name and artifact": lambda v: (v.update(name="../x"), v["artifact"].update(path="../x.onnx")),
    "artifact above": lambda v: v["artifact"].update(path="../../../escaped.onnx"),
    "artifact elsewhere": lambda v: v["artifact"].update(path="/tmp/escaped.onnx"),  # noqa: S108
    "hash that is a path": lambda v: v["artifact"].update(sha256="../../../../escaped"),
    "report above": lambda v: v["reports"][0].update(path="../../../escaped.html"),
    "report above its folder": lambda v: v["reports"][0].update(path=f"files/{'0' * 16}/.."),
    "report absolute": lambda v: v["reports"][0].update(path="/tmp/escaped.html"),  # noqa: S108
    "report with a drive": lambda v: v["reports"][0].update(path="..\\..\\escaped.html"),
    "report over the pointer": lambda v: v["reports"][0].update(path="files/../../latest.json"),
    "report with a line end": lambda v: v["reports"][0].update(path="escaped\n.html"),
    "negative size": lambda v: v["artifact"].update(bytes=-1),
    "other model": lambda v: (v.update(name="others"), v["artifact"].update(path="others.onnx")),
    "other version": lambda v: v["artifact"].update(sha256=OTHER),
    "no document": lambda v: v.clear(),
}


@pytest.mark.parametrize("escape", ESCAPES)
def test_a_manifest_that_leads_out_of_the_copy_writes_nothing(
    run_cli: RunCli, store: Path, tmp_path: Path, escape: str
) -> None:
    rewrite(store / "colours" / VERSION / "version.json", ESCAPES[escape])
    before = tree(tmp_path)
    for url, copy in ((str(store), tmp_path / "copy"), (_in_memory(store), tmp_path / "second")):
        refused = run_cli("pull", url, copy)
        assert refused.code == 3, refused.out
        assert len(refused.err.strip().splitlines()) == 1
        assert "version.json" in refused.err
        assert "Traceback" not in refused.err
    assert tree(tmp_path) == before
    assert not Path("/tmp/escaped.onnx").exists()  # noqa: S108
    assert not Path("/tmp/escaped.html").exists()  # noqa: S108


def _in_memory(store: Path) -> str:
    MemoryFileSystem.store.clear()
    for path, content in tree(store).items():
        MemoryFileSystem().pipe_file(f"/models/{path}", content)
    return "memory://models"


@pytest.mark.parametrize("version", ["..", "../../escaped", "sha256-00", f"{VERSION}/../../escaped", ""])
def test_a_pointer_that_leads_elsewhere_is_refused(run_cli: RunCli, store: Path, tmp_path: Path, version: str) -> None:
    rewrite(store / "colours" / "latest.json", lambda pointer: pointer.update(version=version))
    before = tree(tmp_path)
    for arguments in (("pull", store, tmp_path / "copy"), ("store", "list", store), ("publish", COLOURS, store)):
        refused = run_cli(*arguments)
        assert refused.code == 3, refused.out
        assert "latest.json" in refused.sentence
    assert tree(tmp_path) == before


def _link_to(target: str) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        _remove(path)
        path.symlink_to(target)

    return replace


def _fifo(path: Path) -> None:
    _remove(path)
    os.mkfifo(path)


def _folder(path: Path) -> None:
    _remove(path)
    path.mkdir()


def _linked_copy(path: Path) -> None:
    """A link to what the file or folder was: the content is right, and a link it is all the same."""
    moved = path.parent.parent / f"moved-{path.name}"
    path.rename(moved)
    path.symlink_to(moved)


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize("place", ["latest.json", f"{VERSION}/version.json", f"{VERSION}/colours.onnx"])
@pytest.mark.parametrize(
    "replace",
    [_fifo, _folder, _link_to("/dev/zero"), _link_to("/etc/hostname"), _linked_copy],
    ids=["pipe", "folder", "endless device", "file outside", "link to itself"],
)
def test_what_is_no_plain_file_is_refused_at_once(
    run_cli: RunCli, store: Path, tmp_path: Path, place: str, replace: Callable[[Path], None]
) -> None:
    replace(store / "colours" / place)
    refused = run_cli("pull", store, tmp_path / "copy", "--name", "colours")
    assert refused.code == 3
    assert "no plain file" in refused.err
    assert not (tmp_path / "copy" / "colours" / "latest.json").exists()


def test_a_link_in_the_copy_is_not_written_through(run_cli: RunCli, store: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "colours").symlink_to(elsewhere)
    refused = run_cli("pull", store, tmp_path / "copy")
    assert refused.code == 3
    assert "no plain file" in refused.err
    assert not list(elsewhere.iterdir())


def test_a_file_that_does_not_end_where_its_version_says_is_read_no_further(
    run_cli: RunCli, store: Path, tmp_path: Path
) -> None:
    """A hole of a terabyte, which would take hours to read."""
    os.truncate(store / "colours" / VERSION / "colours.onnx", 1 << 40)
    refused = run_cli("pull", store, tmp_path / "copy")
    assert refused.code == 3
    assert "another hash or length" in refused.err
    assert not list((tmp_path / "copy").rglob("*.onnx"))


def test_a_document_of_a_terabyte_is_refused(run_cli: RunCli, store: Path, tmp_path: Path) -> None:
    os.truncate(store / "colours" / "latest.json", 1 << 40)
    refused = run_cli("pull", store, tmp_path / "copy")
    assert refused.code == 3
    assert "more than" in refused.err


def test_a_report_whose_name_is_no_file_name_is_not_published(run_cli: RunCli, store: Path, tmp_path: Path) -> None:
    odd = tmp_path / "two\nlines.html"
    odd.write_text("a report", encoding="utf-8")
    before = tree(store)
    refused = run_cli("publish", COLOURS, store, "--report", odd)
    assert refused.code == 2
    assert "two\\nlines.html" in refused.err
    assert tree(store) == before


def test_of_two_publishers_at_the_same_moment_the_second_is_compared_with_the_first(
    run_cli: RunCli, monkeypatch: pytest.MonkeyPatch, store: Path, tmp_path: Path, make_artifact: MakeArtifact
) -> None:
    """Between the last comparison and the move of the pointer, somebody else publishes."""
    from imgcls_train.store.model_store import ModelStore

    paths = [make_artifact(tmp_path / name, doc_string=name) for name in ("one.onnx", "two.onnx")]
    move = ModelStore.move

    def late(self: ModelStore, *arguments: Any) -> bool:
        monkeypatch.setattr(ModelStore, "move", move)
        assert run_cli("publish", paths[0], store, "--allow-worse").code == 0
        return move(self, *arguments)

    monkeypatch.setattr(ModelStore, "move", late)
    done = run_cli("publish", paths[1], store, "--allow-worse", "--json")
    assert done.code == 0, done.err
    first = f"sha256-{hashlib.sha256(paths[0].read_bytes()).hexdigest()}"
    assert json.loads(done.out)["replaced"] == first
    assert json.loads((store / "colours" / "latest.json").read_bytes())["previous"] == first


@pytest.mark.parametrize(
    "path", ["../x", "/etc/x", "a/../../x", "a//x", "a/./x", "..", "a\\..\\x", "a/x\n", "a/" + "x" * 300]
)
def test_no_path_leads_out_of_a_store_whoever_asks(tmp_path: Path, path: str) -> None:
    """The last line: `inside` holds whatever the checks of documents and names let through."""
    from imgcls_train.errors import StoreError
    from imgcls_train.store.opening import open_files

    MemoryFileSystem.store.clear()
    for files in (open_files(str(tmp_path / "store")), open_files("memory://models/production")):
        with pytest.raises(StoreError):
            files.write(path, b"escaped")
        with pytest.raises(StoreError):
            files.read(path)
        with pytest.raises(StoreError):
            files.swap(path, b"escaped", lambda _: True)
    assert not tree(tmp_path)
    assert not MemoryFileSystem.store
