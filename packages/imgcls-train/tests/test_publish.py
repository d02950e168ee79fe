from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import msgspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from imgcls_testing.failing_disk import FailingDisk, Failure, attempts, failing_disk
from imgcls_train.store import publication
from PIL import Image

if TYPE_CHECKING:
    from conftest import MakeArtifact
    from imgcls_cli.progress import Progress
    from imgcls_testing.commands import Outcome, RunCli

COLOURS = Path(__file__).parents[3] / "tests" / "data" / "colours.onnx"
RGB = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "black": (0, 0, 0), "white": (255, 255, 255)}


@pytest.fixture(scope="session")
def other_artifact(tmp_path_factory: pytest.TempPathFactory, make_artifact: MakeArtifact) -> Path:
    """Answers as tests/data/colours.onnx does, and is another file."""
    return make_artifact(tmp_path_factory.mktemp("other") / "other.onnx")


@pytest.fixture(scope="session")
def worse_artifact(tmp_path_factory: pytest.TempPathFactory, make_artifact: MakeArtifact) -> Path:
    """Calls red green and green red."""
    return make_artifact(tmp_path_factory.mktemp("worse") / "worse.onnx", swap_red_and_green=True)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two splits of pure colours."""
    root = tmp_path_factory.mktemp("data") / "colours-data"
    root.mkdir()
    for split, count in (("val", 8), ("test", 3)):
        with tarfile.open(root / f"{split}.tar", "w") as tar:
            for colour, rgb in RGB.items():
                for number in range(count):
                    buffer = io.BytesIO()
                    Image.new("RGB", (32 + number, 32), rgb).save(buffer, "PNG")
                    member = tarfile.TarInfo(f"{split}/{colour}/{number}.png")
                    member.size = buffer.tell()
                    tar.addfile(member, io.BytesIO(buffer.getvalue()))
    return root


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _check_latest(url: str, *, one_of: set[str]) -> str:
    """What a reader relies on: the pointer names a version of which every file is there with its hash."""
    filesystem, root = fsspec.core.url_to_fs(url)
    version = json.loads(filesystem.cat_file(f"{root}/colours/latest.json"))["version"]
    assert version.removeprefix("sha256-") in one_of
    manifest = json.loads(filesystem.cat_file(f"{root}/colours/{version}/version.json"))
    files = [manifest["artifact"], *manifest["reports"], *(one["file"] for one in manifest["evaluations"])]
    for file in files:
        content = filesystem.cat_file(f"{root}/colours/{version}/{file['path']}")
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
    return version


def test_an_artifact_lies_in_the_store_under_its_hash_with_its_reports(
    run_cli: RunCli, store: str, tmp_path: Path
) -> None:
    report = tmp_path / "colours.report.html"
    report.write_text("<p>report</p>", encoding="utf-8")
    outcome = run_cli("publish", COLOURS, store, "--report", report)
    assert outcome.code == 0, outcome.err
    version = _check_latest(store, one_of={_sha256(COLOURS)})
    filesystem, root = fsspec.core.url_to_fs(store)
    assert filesystem.cat_file(f"{root}/colours/{version}/colours.onnx") == COLOURS.read_bytes()
    manifest = json.loads(filesystem.cat_file(f"{root}/colours/{version}/version.json"))
    assert [one["name"] for one in manifest["reports"]] == ["colours.report.html"]


def test_publishing_twice_changes_nothing_and_says_so(run_cli: RunCli, store: str, dataset: Path) -> None:
    arguments = ("publish", COLOURS, store, "--dataset", dataset)
    assert json.loads(run_cli(*arguments, "--json").out)["changed"] is True
    filesystem, root = fsspec.core.url_to_fs(store)
    before = {path: filesystem.cat_file(path) for path in filesystem.find(root)}
    again = run_cli(*arguments)
    assert again.code == 0
    assert "nothing has changed" in again.out
    assert {path: filesystem.cat_file(path) for path in filesystem.find(root)} == before


def test_the_list_shows_versions_accuracy_and_which_is_latest(
    run_cli: RunCli, store: str, dataset: Path, other_artifact: Path
) -> None:
    run_cli("publish", COLOURS, store, "--dataset", dataset)
    run_cli("publish", other_artifact, store, "--dataset", dataset)
    listing = json.loads(run_cli("store", "list", store, "--json").out)
    rows = {row["version"]: row for row in listing["versions"]}
    assert rows[f"sha256-{_sha256(COLOURS)}"]["is_latest"] is False
    assert rows[f"sha256-{_sha256(other_artifact)}"]["is_latest"] is True
    assert {row["top1_pct"] for row in rows.values()} == {100.0}
    text = run_cli("store", "list", store).out
    assert f"* colours  sha256-{_sha256(other_artifact)[:12]}" in text
    assert "val of colours-data (40 images)" in text


def test_a_rollback_moves_the_pointer_to_a_version_by_the_beginning_of_its_hash(
    run_cli: RunCli, store: str, other_artifact: Path
) -> None:
    run_cli("publish", COLOURS, store)
    run_cli("publish", other_artifact, store, "--allow-worse")
    assert _check_latest(store, one_of={_sha256(other_artifact)})
    outcome = run_cli("store", "rollback", store, _sha256(COLOURS)[:8])
    assert outcome.code == 0, outcome.err
    assert _check_latest(store, one_of={_sha256(COLOURS)})
    unknown = run_cli("store", "rollback", store, "ffff0000")
    assert unknown.code == 2
    assert _sha256(COLOURS)[:12] in unknown.err


def test_a_model_of_other_classes_replaces_none_unasked(
    run_cli: RunCli, store: str, worse_artifact: Path, tmp_path: Path, make_artifact: MakeArtifact
) -> None:
    run_cli("publish", COLOURS, store)
    moved = run_cli("publish", worse_artifact, store, "--allow-worse")
    assert moved.code == 1
    assert "the same in another order (green was 1, is 0, red was 0, is 1)" in moved.err
    renamed = make_artifact(tmp_path / "renamed.onnx", red_label="crimson")
    refused = run_cli("publish", renamed, store)
    assert refused.code == 1
    assert "8 classes before, 8 now; 1 new (crimson), 1 gone (red)" in refused.err
    assert "--new-classes" in refused.err
    assert _check_latest(store, one_of={_sha256(COLOURS)})
    assert run_cli("publish", renamed, store, "--new-classes").code == 0
    assert _check_latest(store, one_of={_sha256(renamed)})


def test_classes_of_a_version_that_does_not_say_them_are_read_from_its_artifact(
    run_cli: RunCli, tmp_path: Path, worse_artifact: Path
) -> None:
    store = tmp_path / "store"
    run_cli("publish", COLOURS, store)
    manifest = store / f"colours/sha256-{_sha256(COLOURS)}/version.json"
    document = json.loads(manifest.read_text())
    del document["labels"]
    manifest.write_text(json.dumps(document))
    assert "green was 1, is 0" in run_cli("publish", worse_artifact, store).err


def test_a_worse_model_is_refused_with_the_numbers(
    run_cli: RunCli, store: str, dataset: Path, worse_artifact: Path
) -> None:
    run_cli("publish", COLOURS, store, "--dataset", dataset)
    refused = run_cli("publish", worse_artifact, store, "--dataset", dataset, "--new-classes")
    assert refused.code == 1
    assert "top-1 60.00 % against 100.00 % on the same 40 images: 0 gained, 16 lost" in refused.err
    assert _check_latest(store, one_of={_sha256(COLOURS)})
    allowed = run_cli("publish", worse_artifact, store, "--dataset", dataset, "--new-classes", "--allow-worse")
    assert allowed.code == 0
    assert _check_latest(store, one_of={_sha256(worse_artifact)})
    better = run_cli("publish", COLOURS, store, "--new-classes")  # its evaluation is in the store already
    assert better.code == 0, better.err
    assert "16 gained, 0 lost" in better.out


def test_models_that_were_evaluated_on_different_splits_are_not_compared(
    run_cli: RunCli, store: str, dataset: Path, other_artifact: Path
) -> None:
    run_cli("publish", COLOURS, store, "--dataset", dataset)
    for arguments in ((), ("--dataset", dataset, "--split", "test")):
        refused = run_cli("publish", other_artifact, store, *arguments)
        assert refused.code == 1
        assert "cannot be compared" in refused.err
        assert _check_latest(store, one_of={_sha256(COLOURS)})
    # A second evaluation of the present version makes them comparable.
    again = run_cli("publish", COLOURS, store, "--dataset", dataset, "--split", "test")
    assert again.code == 0, again.err
    assert run_cli("publish", other_artifact, store, "--dataset", dataset, "--split", "test").code == 0
    assert _check_latest(store, one_of={_sha256(other_artifact)})


def test_an_evaluation_file_must_be_of_the_artifact_itself(
    run_cli: RunCli, store: str, dataset: Path, other_artifact: Path, tmp_path: Path
) -> None:
    path = tmp_path / "evaluation.json"
    path.write_text(run_cli("evaluate", COLOURS, dataset, "--json").out, encoding="utf-8")
    refused = run_cli("publish", other_artifact, store, "--evaluation", path)
    assert refused.code == 2
    assert "evaluate the artifact itself" in refused.err
    assert run_cli("publish", COLOURS, store, "--evaluation", path).code == 0
    path.write_text("{}", encoding="utf-8")
    assert "is not an evaluation" in run_cli("publish", COLOURS, store, "--evaluation", path).err


def test_what_is_no_artifact_never_reaches_the_store(run_cli: RunCli, store: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(COLOURS.read_bytes()[:3000])
    refused = run_cli("publish", wrong, store)
    assert refused.code == 2
    assert "Traceback" not in refused.err
    filesystem, root = fsspec.core.url_to_fs(store)
    assert not filesystem.exists(root)


@pytest.fixture
def what_needs_no_store_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading the artifact and asking it are most of a publication's time."""
    checked, done = publication._checked, {}

    def once(request: publication.PublishRequest, progress: Progress) -> object:
        if request.artifact not in done:
            done[request.artifact] = checked(request, progress)
        return done[request.artifact]

    monkeypatch.setattr(publication, "_checked", once)


def _until_it_works(
    run_cli: RunCli,
    failing: Callable[[int], AbstractContextManager[FailingDisk]],
    store: str,
    new: Path,
    reset: Callable[[], None],
) -> int:
    """Publishes with the store failing at the first operation, the second, …; gives the number that were tried."""

    def publish() -> Outcome:
        return run_cli("publish", new, store, "--allow-worse")

    tried = 0
    for attempt in attempts(failing, publish):
        tried = attempt.at
        if attempt.has_failed and attempt.result is not None and attempt.result.code:
            assert attempt.result.code in {3, 130}, attempt.result.err
            assert "Traceback" not in attempt.result.err
        _check_latest(store, one_of={_sha256(COLOURS), _sha256(new)})
        if attempt.has_failed:
            assert publish().code == 0
        _check_latest(store, one_of={_sha256(new)})
        reset()
    return tried


@pytest.mark.usefixtures("what_needs_no_store_is_done_once")
@pytest.mark.parametrize("error", [ConnectionError, KeyboardInterrupt])
def test_an_object_store_that_fails_at_any_operation_keeps_a_whole_latest(
    run_cli: RunCli, monkeypatch: pytest.MonkeyPatch, memory: str, other_artifact: Path, error: type[BaseException]
) -> None:
    run_cli("publish", COLOURS, memory)
    before = dict(MemoryFileSystem.store)

    def reset() -> None:
        MemoryFileSystem.store.clear()
        MemoryFileSystem.store.update(before)

    @contextmanager
    def failing(at: int) -> Generator[FailingDisk]:
        disk = FailingDisk(Path("/"), at, lambda _: error("the store went away"))
        with monkeypatch.context() as patch:
            for name in ("cat_file", "pipe_file", "put_file", "_open"):
                patch.setattr(MemoryFileSystem, name, disk.wrap(getattr(MemoryFileSystem, name)))
            yield disk

    assert _until_it_works(run_cli, failing, memory, other_artifact, reset) > 6


@pytest.mark.usefixtures("what_needs_no_store_is_done_once")
@pytest.mark.parametrize("failure", Failure)
def test_a_folder_that_fails_at_any_operation_keeps_a_whole_latest(
    run_cli: RunCli, tmp_path: Path, other_artifact: Path, failure: Failure
) -> None:
    store = tmp_path / "store"
    run_cli("publish", COLOURS, store)
    shutil.copytree(store, tmp_path / "before")

    def reset() -> None:
        shutil.rmtree(store)
        shutil.copytree(tmp_path / "before", store)

    assert _until_it_works(run_cli, partial(failing_disk, store, failure), str(store), other_artifact, reset) > 10


def test_a_publisher_killed_in_the_middle_of_an_upload_leaves_latest_whole(
    run_cli: RunCli, tmp_path: Path, other_artifact: Path
) -> None:
    """A real SIGKILL, sent by the process to itself once the first bytes of the artifact are in the store."""
    store = tmp_path / "store"
    run_cli("publish", COLOURS, store)
    program = (
        "import os, signal, sys\n"
        "from imgcls_train.store import local_files\n"
        "def pump(source, target, on_bytes):\n"
        "    target.write(source.read(1000)); target.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "local_files.LocalFiles.copy_to = lambda *_: None\n"
        "local_files.pump = pump\n"
        "from imgcls_train.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, "publish", other_artifact, store, "--allow-worse"],
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL
    (part,) = store.rglob("*.part")
    assert part.stat().st_size == 1000
    assert _check_latest(str(store), one_of={_sha256(COLOURS)})
    assert "uploads that have not ended: 1" in run_cli("store", "list", store).err

    os.utime(part, (0, 0))  # as if the kill was long ago
    assert run_cli("publish", other_artifact, store, "--allow-worse").code == 0
    assert _check_latest(str(store), one_of={_sha256(other_artifact)})
    assert not list(store.rglob("*.part"))


def test_publishers_at_the_same_time_leave_a_whole_store(run_cli: RunCli, tmp_path: Path, other_artifact: Path) -> None:
    """Three processes, two artifacts, one store."""
    store = tmp_path / "store"
    program = "import sys; from imgcls_train.cli import main; main(sys.argv[1:])"
    publishers = [
        subprocess.Popen(
            [sys.executable, "-c", program, "publish", artifact, store, "--allow-worse"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for artifact in (COLOURS, other_artifact, COLOURS)
    ]
    for one in publishers:
        _, err = one.communicate(timeout=120)
        assert one.returncode == 0, err
    _check_latest(str(store), one_of={_sha256(COLOURS), _sha256(other_artifact)})
    listing = json.loads(run_cli("store", "list", store, "--json").out)
    assert len(listing["versions"]) == 2
    assert listing["unfinished"] == 0


def test_a_model_published_meanwhile_is_the_one_that_is_compared_with(
    run_cli: RunCli,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    dataset: Path,
    worse_artifact: Path,
    other_artifact: Path,
    make_artifact: MakeArtifact,
) -> None:
    """While a bad model is replaced by a less bad one, somebody publishes a good one."""
    store = tmp_path / "store"
    run_cli("publish", worse_artifact, store, "--dataset", dataset, "--new-classes")
    from imgcls_train.store.model_store import ModelStore

    complete = ModelStore.complete

    def slow(self: ModelStore, version: Any) -> None:
        monkeypatch.setattr(ModelStore, "complete", complete)
        assert run_cli("publish", COLOURS, store, "--dataset", dataset, "--new-classes").code == 0
        complete(self, version)

    worst = make_artifact(
        tmp_path / "worst.onnx", "colours", swap_red_and_green=True, doc_string="as bad, another file"
    )
    monkeypatch.setattr(ModelStore, "complete", slow)
    refused = run_cli("publish", worst, store, "--dataset", dataset, "--new-classes")
    assert refused.code == 1
    assert "16 lost" in refused.err
    assert _check_latest(str(store), one_of={_sha256(COLOURS)})


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        ((COLOURS,), "Missing argument 'STORE'", 2),
        ((COLOURS, "ftp://host/models"), "allowed are a folder and s3://, gs://, az://", 2),
        ((COLOURS, "s3://key:secret@bucket/models"), "Credentials belong into the environment", 2),
        ((COLOURS, "{store}", "--name", "../up"), "cannot be a model's in a store", 2),
        ((COLOURS, "{store}", "--report", "no.html"), "There is no report 'no.html'", 2),
        (("no.onnx", "{store}"), "There is no artifact at 'no.onnx'", 2),
    ],
)
def test_wrong_requests_are_one_sentence(
    run_cli: RunCli, tmp_path: Path, arguments: tuple[object, ...], said: str, code: int
) -> None:
    outcome = run_cli("publish", *(str(one).format(store=tmp_path / "store") for one in arguments))
    assert outcome.code == code
    assert said in outcome.err
    assert "secret" not in outcome.err
    assert "Traceback" not in outcome.err


def test_a_backend_that_is_not_installed_is_named_with_its_command(
    run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "gs", raising=False)  # of others
    outcome = run_cli("publish", COLOURS, "gs://bucket/models")
    assert outcome.code == 2
    assert "pip install 'imgcls-train[gs]'" in outcome.err


def test_small_differences_pass_for_chance_and_large_losses_do_not() -> None:
    """One-sided exact McNemar: of 10 differing images 9 lost, (1 + 10) / 1024."""
    from imgcls_train.store.comparison import mcnemar_p

    assert mcnemar_p(9, 1) == pytest.approx(11 / 1024)
    assert mcnemar_p(0, 0) == 1
    assert mcnemar_p(5, 5) == pytest.approx(0.623046875)
    assert mcnemar_p(6000, 5000) < 1e-20


def test_a_pulled_copy_is_checked_and_a_store_of_its_own(
    run_cli: RunCli, memory: str, other_artifact: Path, tmp_path: Path
) -> None:
    run_cli("publish", COLOURS, memory)
    copy = tmp_path / "copy"
    assert "new" in run_cli("pull", memory, copy).out
    assert _check_latest(str(copy), one_of={_sha256(COLOURS)})
    assert "unchanged" in run_cli("pull", memory, copy).out

    run_cli("publish", other_artifact, memory, "--allow-worse")
    path = f"/models/colours/sha256-{_sha256(other_artifact)}/colours.onnx"
    whole = MemoryFileSystem().cat_file(path)
    MemoryFileSystem().pipe_file(path, whole[:-1] + b"x")
    damaged = run_cli("pull", memory, copy)
    assert damaged.code == 3
    assert "damaged" in damaged.err
    assert _check_latest(str(copy), one_of={_sha256(COLOURS)})
    MemoryFileSystem().pipe_file(path, whole)
    assert run_cli("pull", memory, copy, "--name", "colours").code == 0
    assert _check_latest(str(copy), one_of={_sha256(other_artifact)})
    assert run_cli("pull", memory, copy, "--name", "nothing").code == 3


def test_the_stored_documents_are_what_the_readme_says(run_cli: RunCli, memory: str) -> None:
    run_cli("publish", COLOURS, memory)
    from imgcls_train.store.documents import Pointer

    content = MemoryFileSystem().cat_file("/models/colours/latest.json")
    assert msgspec.json.decode(content, type=Pointer).version == f"sha256-{_sha256(COLOURS)}"
