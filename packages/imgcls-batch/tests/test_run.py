"""`imgcls-batch run` on this machine: one row for every image, whatever happens."""

import http.server
import importlib.util
import json
import multiprocessing
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from imgcls_core import OnnxClassifier
from imgcls_core.artifact.seal import sealed_artifact
from msgspec import structs


def names_of(rows: list[dict], root: Path) -> list[str]:
    return [str(Path(row["uri"]).relative_to(root)) for row in rows]


def test_every_image_of_a_folder_has_one_row(finished, rows, folder, images, bad_images):
    assert names_of(rows(finished), folder) == sorted([*images, *bad_images])
    assert [row["id"] for row in rows(finished)] == list(range(len(images) + len(bad_images)))


def test_an_image_is_answered_with_its_class_and_its_facts(finished, rows, folder, images):
    answered = [row for row in rows(finished) if row["code"] is None]
    assert len(answered) == len(images)
    for row in answered:
        assert Path(row["uri"]).name.startswith(row["label"])
        assert (row["width"], row["height"]) == (48, 32)
        assert row["size_bytes"] == Path(row["uri"]).stat().st_size
        assert row["top"][0] == {name: row[name] for name in ("class_id", "label", "probability")}
        assert [one["probability"] for one in row["top"]] == sorted(
            (one["probability"] for one in row["top"]), reverse=True
        )
        assert 0 <= row["entropy"] <= 1
        assert row["detail"] is None


def test_an_image_that_cannot_be_answered_is_a_row_with_the_code_of_the_service(finished, rows, folder, bad_images):
    refused = {str(Path(row["uri"]).relative_to(folder)): row for row in rows(finished) if row["code"] is not None}
    assert {name: row["code"] for name, row in refused.items()} == {
        name: code for name, (_, code) in bad_images.items()
    }
    assert all(row["detail"] and row["class_id"] is None and row["top"] is None for row in refused.values())


def test_a_file_says_which_artifact_answered(finished):
    file = next(finished.glob("*.parquet"))
    metadata = pq.read_schema(file).metadata
    run = json.loads((finished / "_imgcls/run.json").read_text(encoding="utf-8"))
    assert metadata[b"imgcls.artifact_sha256"].decode() == run["artifact"]["sha256"]
    assert run["artifact"]["sha256"][:16] in file.name


def test_the_same_command_does_nothing_twice(finished, run_cli, folder, model):
    before = {path: path.stat().st_mtime_ns for path in finished.glob("*.parquet")}
    outcome = run_cli("run", folder, finished, "--model", model)
    assert outcome.code == 0
    assert "0 in this session" in outcome.out
    assert {path: path.stat().st_mtime_ns for path in finished.glob("*.parquet")} == before


def test_shards_that_are_gone_are_made_again_with_the_same_bytes(finished, run_cli, folder, model, tmp_path):
    output = tmp_path / "out"
    shutil.copytree(finished, output)
    lost = sorted(output.glob("*.parquet"))[1]
    content = lost.read_bytes()
    lost.unlink()
    assert run_cli("run", folder, output, "--model", model, "--workers", 1, "--no-report").code == 0
    assert lost.read_bytes() == content


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_another_engine_fills_the_same_rows(finished, run_cli, folder, model, rows, tmp_path):
    options = ("--model", model, "--workers", 1, "--no-report", "--provider", "openvino")
    assert run_cli("run", folder, tmp_path, *options).code == 0
    for ours, theirs in zip(rows(tmp_path), rows(finished), strict=True):
        assert {**ours, "top": None, "probability": None, "entropy": None} == {
            **theirs,
            "top": None,
            "probability": None,
            "entropy": None,
        }
        assert ours["probability"] == pytest.approx(theirs["probability"], abs=1e-5)


def test_a_source_that_changes_does_not_change_a_run(finished, run_cli, images, folder, model, rows, tmp_path):
    source, output = tmp_path / "images", tmp_path / "out"
    shutil.copytree(folder / "red", source)
    assert run_cli("run", source, output, "--model", model, "--workers", 1, "--no-report").code == 0
    for path in output.glob("*.parquet"):
        path.unlink()
    (source / "red-0.jpg").unlink()
    (source / "new.jpg").write_bytes(images["blue/blue-0.jpg"])
    assert run_cli("run", source, output, "--model", model, "--workers", 1, "--no-report").code == 0
    found = {Path(row["uri"]).name: row["code"] for row in rows(output)}
    assert found == {f"red-{i}.jpg": None if i else "not_found" for i in range(8)}


def test_another_model_or_other_options_are_refused(finished, run_cli, folder, model, other_model):
    other = run_cli("run", folder, finished, "--model", other_model)
    assert other.code == 4
    assert "was begun with --model" in other.err
    narrower = run_cli("run", folder, finished, "--model", model, "--top-k", 1)
    assert narrower.code == 4
    assert "--top-k 5 and cannot go on with 1" in narrower.err
    elsewhere = run_cli("run", folder / "red", finished, "--model", model)
    assert elsewhere.code == 4
    assert "SOURCE" in elsewhere.err


def test_a_list_names_its_images(run_cli, folder, model, rows, write_list, tmp_path):
    listed = write_list(tmp_path / "list.csv", [f"{folder}/red/red-0.jpg", f"{folder}/gone.jpg", f"{folder}/red"])
    output = tmp_path / "out"
    outcome = run_cli("run", listed, output, "--model", model, "--workers", 1, "--no-report", "--json")
    assert outcome.code == 0
    assert [row["code"] for row in rows(output)] == [None, "not_found", "not_found"]
    events = [json.loads(line) for line in outcome.out.splitlines()]
    assert events[0]["event"] == "began"
    assert events[-1]["event"] == "ended"
    assert events[-1]["bad"] == {"not_found": 2}


def test_a_run_that_goes_wrong_as_a_whole_ends(run_cli, folder, model, tmp_path):
    outcome = run_cli(
        "run", folder / "bad", tmp_path / "out", "--model", model, "--workers", 1, "--no-report", "--max-bad", "5%"
    )
    assert outcome.code == 1
    assert "5 of 5 images could not be answered (100.0%); --max-bad allows 5.0%" in outcome.err


def test_wrong_calls_are_told_in_one_sentence(run_cli, folder, model, tmp_path):
    nothing = run_cli("run", tmp_path / "nowhere", tmp_path / "out", "--model", model)
    assert nothing.code == 2
    assert "There is nothing at" in nothing.err
    (tmp_path / "empty").mkdir()
    empty = run_cli("run", tmp_path / "empty", tmp_path / "out", "--model", model)
    assert empty.code == 2
    assert "SOURCE holds no image" in empty.err
    assert run_cli("run", folder, tmp_path / "out", "--model", tmp_path / "none.onnx").code == 2
    assert run_cli("run", folder, tmp_path / "out", "--model", model, "--max-bad", "lots").code == 2
    assert run_cli("run", folder, tmp_path / "out", "--model", model, "--top-k", 9).code == 2
    assert not (tmp_path / "out").exists()


def test_an_image_that_kills_its_worker_is_a_row_and_its_neighbours_are_answered(
    run_cli, folder, model, rows, write_list, tmp_path
):
    """A web server stands for the image: whoever asks it for one is killed."""

    class Killer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            for worker in multiprocessing.active_children():
                worker.kill()

        def log_message(self, *_):
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Killer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    fine = [f"{folder}/red/red-{i}.jpg" for i in range(4)]
    deadly = f"http://127.0.0.1:{server.server_port}/deadly.jpg"
    listed = write_list(tmp_path / "list.csv", [*fine[:2], deadly, *fine[2:]])
    try:
        outcome = run_cli("run", listed, tmp_path / "out", "--model", model, "--workers", 1, "--no-report")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert outcome.code == 0, outcome.err
    assert [row["code"] for row in rows(tmp_path / "out")] == [None, None, "internal_error", None, None]


def test_a_machine_that_answers_differently_writes_nothing(run_cli, folder, model, tmp_path):
    """The artifact's golden answers are turned into those of another class, and it is sealed anew."""
    metadata = OnnxClassifier(model, provider="cpu", threads=1).metadata
    first, *others = metadata.golden
    turned = structs.replace(first, top=(structs.replace(first.top[0], class_id=first.top[1].class_id), *first.top[1:]))
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(sealed_artifact(model.read_bytes(), structs.replace(metadata, golden=(turned, *others))))
    outcome = run_cli("run", folder, tmp_path / "out", "--model", wrong, "--workers", 1, "--no-report")
    assert outcome.code == 4, outcome.err
    assert "This machine may not write" in outcome.err
    assert not list((tmp_path / "out").glob("*.parquet"))


@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_run_that_was_stopped_goes_on_with_the_same_command(
    run_cli, folder, finished, model, tmp_path, how: signal.Signals, code: int
):
    output = tmp_path / "out"
    arguments = ["run", folder, output, "--model", model, "--workers", 1, "--no-report", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "imgcls_batch", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert b'"began"' in running.stdout.readline()
        running.send_signal(how)
        _, said = running.communicate(timeout=60)
    assert running.returncode == code
    if how is signal.SIGTERM:
        assert b"interrupted. The same command goes on where it stopped." in said
    assert run_cli(*arguments).code == 0
    written = {path.name: path.read_bytes() for path in output.glob("*.parquet")}
    assert written == {path.name: path.read_bytes() for path in finished.glob("*.parquet")}
