"""`imgcls-client predict` as a user types it."""

from __future__ import annotations

import csv
import functools
import http.server
import io
import json
import sys
import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Refusal, Request, Run, Serve, StandIn, WebServer


def test_one_image_prints_id_label_and_probability(run: Run, service: StandIn, image: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(image)
    ended = run("predict", "--url", service.url, tmp_path / "a.png")
    assert ended.exit_code == 0
    class_id, rest = ended.stdout.split(maxsplit=1)
    assert class_id.isdecimal()
    assert "%" in rest
    assert " ms" in rest
    assert ended.stderr == ""


def test_quiet_prints_the_id_alone(run: Run, service: StandIn, image: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(image)
    ended = run("predict", "--url", service.url, "--quiet", tmp_path / "a.png")
    assert ended.stdout.strip().isdecimal()


def test_json_is_one_document_with_every_image_in_order(
    run: Run, service: StandIn, golden_images: dict[str, bytes], tmp_path: Path
) -> None:
    for name, content in golden_images.items():
        (tmp_path / name).write_bytes(content)
    ended = run("predict", "--url", service.url, "--json", tmp_path)
    document = json.loads(ended.stdout)
    assert [row["file"] for row in document["results"]] == sorted(str(tmp_path / name) for name in golden_images)
    assert all(len(row["top"]) == 5 and row["call_ms"] > 0 for row in document["results"])
    assert document["summary"]["failed"] == 0


def test_folders_are_walked_and_only_images_are_taken(run: Run, service: StandIn, image: bytes, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a.PNG").write_bytes(image)
    (tmp_path / "notes.txt").write_text("nothing", encoding="utf-8")
    ended = run("predict", "--url", service.url, "--quiet", tmp_path)
    assert ended.exit_code == 0
    assert len(ended.stdout.split()) == 1


def test_an_image_comes_from_standard_input(
    run: Run, service: StandIn, image: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(image), encoding="utf-8"))
    assert run("predict", "--url", service.url, "--quiet", "-").stdout.strip().isdecimal()


def test_a_bad_file_is_one_line_and_the_rest_is_answered(
    run: Run, service: StandIn, image: bytes, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(image)
    (tmp_path / "b.png").write_bytes(b"no image")
    ended = run("predict", "--url", service.url, tmp_path / "a.png", tmp_path / "b.png", tmp_path / "missing.png")
    assert ended.exit_code == 1
    good, bad, missing = ended.stdout.splitlines()
    assert "%" in good
    assert "image_undecodable" in bad
    assert "No such file" in missing


def test_top_k_shows_as_many_classes(run: Run, service: StandIn, image: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(image)
    assert len(run("predict", "--url", service.url, "--top-k", 3, tmp_path / "a.png").stdout.splitlines()) == 3


def test_a_top_k_that_the_service_refuses_ends_with_4(run: Run, service: StandIn, image: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(image)
    ended = run("predict", "--url", service.url, "--top-k", 99, tmp_path / "a.png")
    assert ended.exit_code == 4
    assert "top_k is 99; it can be 1 to 10" in ended.stderr


def test_a_service_that_is_not_there_ends_with_3_and_one_sentence(
    run: Run, free_port: int, image: bytes, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(image)
    ended = run("predict", "--url", f"http://127.0.0.1:{free_port}", "--retries", 0, tmp_path / "a.png")
    assert ended.exit_code == 3
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1
    assert "connection refused" in ended.stderr


def test_an_address_needs_no_scheme(run: Run, service: StandIn, image: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(image)
    assert run("predict", "--url", service.url.removeprefix("http://"), tmp_path / "a.png").exit_code == 0
    assert run("predict", "--url", f"localhost:{service.url.rsplit(':', 1)[1]}", tmp_path / "a.png").exit_code == 0


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:8192/predict", "ends in the route /predict; give 'http://127.0.0.1:8192'"),
        ("localhost:8192/health/", "ends in the route /health; give 'http://localhost:8192'"),
        ("ftp://127.0.0.1", "http:// or https://"),
        ("http://", "needs a host"),
        ("the service", "needs a host"),
    ],
)
def test_an_address_that_cannot_be_meant_is_a_usage_error(run: Run, tmp_path: Path, url: str, said: str) -> None:
    ended = run("predict", "--url", url, tmp_path / "a.png")
    assert ended.exit_code == 2
    assert said in ended.stderr


def test_a_wrong_key_ends_with_4_and_is_never_shown(run: Run, serve: Serve, image: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(image)
    service = serve(api_key="right")
    ended = run("predict", "--url", service.url, "--api-key", "hunter2", tmp_path / "a.png")
    assert ended.exit_code == 4
    assert "unauthorized" in ended.stderr
    assert "hunter2" not in ended.stdout + ended.stderr
    assert run("predict", "--url", service.url, "--api-key", "right", tmp_path / "a.png").exit_code == 0


def test_jsonl_is_one_object_a_line(
    run: Run, service: StandIn, golden_images: dict[str, bytes], tmp_path: Path
) -> None:
    fill(tmp_path, golden_images)
    lines = run("predict", "--url", service.url, "--jsonl", tmp_path).stdout.splitlines()
    assert [json.loads(line)["file"] for line in lines] == sorted(str(tmp_path / name) for name in golden_images)


def test_csv_has_a_header_and_names_what_failed(run: Run, service: StandIn, image: bytes, tmp_path: Path) -> None:
    fill(tmp_path, {"a.png": image, "b,c.png": b"no image"})
    ended = run("predict", "--url", service.url, "--csv", tmp_path)
    good, bad = csv.DictReader(io.StringIO(ended.stdout))
    assert 0 < float(good["probability"]) <= 1
    assert bad["file"].endswith("b,c.png")
    assert bad["error"].startswith("image_undecodable")


def test_a_quoted_pattern_is_expanded(
    run: Run, service: StandIn, golden_images: dict[str, bytes], tmp_path: Path
) -> None:
    fill(tmp_path, golden_images)
    ended = run("predict", "--url", service.url, "--quiet", tmp_path / "golden-[01].png")
    assert len(ended.stdout.split()) == 2


def test_a_pattern_that_matches_nothing_is_one_line(run: Run, service: StandIn, tmp_path: Path) -> None:
    ended = run("predict", "--url", service.url, tmp_path / "*.png")
    assert ended.exit_code == 1
    assert "no file matches this pattern" in ended.stdout


def test_an_address_is_fetched_without_the_key_of_the_service(
    run: Run, serve: Serve, web: Callable[[bytes], WebServer], image: bytes
) -> None:
    service = serve(api_key="secret-key")
    address = web(image)
    ended = run("predict", "--url", service.url, "--api-key", "secret-key", "--quiet", address.url)
    assert ended.stdout.strip().isdecimal()
    assert "authorization" not in address.requests[0].headers


def test_an_address_that_is_not_there_is_one_line(run: Run, service: StandIn) -> None:
    ended = run("predict", "--url", service.url, f"{service.url}/no-such-image")
    assert ended.exit_code == 1
    assert "the server there answered 404" in ended.stdout


def test_an_interrupted_run_is_resumed_without_asking_anything_twice(
    run: Run, serve: Serve, golden_images: dict[str, bytes], refusal: type[Refusal], tmp_path: Path
) -> None:
    """The service goes away (401 ends a run at once) after two answers, and comes back."""
    folder = tmp_path / "photos"
    folder.mkdir()
    fill(folder, golden_images)
    seen: list[bytes] = []

    def leave_after_two(_: StandIn, request: Request) -> None:
        if len(seen) == 2:
            raise refusal(401, "unauthorized", "gone")
        seen.append(request.body)

    service = serve(answer_before=leave_after_two)
    output = tmp_path / "preds.jsonl"
    arguments = ("predict", "--url", service.url, "--concurrency", 1, "--output", output, folder)
    first = run(*arguments)
    assert first.exit_code == 4
    assert "2 of 4 images are not done; go on with --resume" in first.stderr
    with output.open("a", encoding="utf-8") as cut_short:
        cut_short.write('{"file": "half a li')

    service.faults.answer_before = None
    asked_before = len(service.requests)
    second = run(*arguments, "--resume")
    assert second.exit_code == 0
    assert len(service.requests) - asked_before == 2
    names = [json.loads(line)["file"] for line in output.read_text(encoding="utf-8").splitlines()]
    assert names == sorted(str(folder / name) for name in golden_images)


def test_resuming_asks_again_what_failed_for_a_passing_reason(
    run: Run, service: StandIn, golden_images: dict[str, bytes], tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    fill(folder, golden_images)
    (folder / "bad.png").write_bytes(b"no image")
    output = tmp_path / "preds.jsonl"
    passing = {"file": str(folder / "golden-0.png"), "error": {"code": "queue_full", "status": 503, "detail": ""}}
    output.write_text(json.dumps(passing) + "\n", encoding="utf-8")
    assert run("predict", "--url", service.url, "--output", output, "--resume", folder).exit_code == 1
    asked = len(service.requests)
    assert asked == 5
    again = run("predict", "--url", service.url, "--output", output, "--resume", folder)
    assert again.exit_code == 1, "the image that the service refused is still a failure of the whole"
    assert len(service.requests) == asked


def test_an_existing_output_is_never_overwritten(run: Run, service: StandIn, image: bytes, tmp_path: Path) -> None:
    fill(tmp_path, {"a.png": image})
    (tmp_path / "kept.csv").write_text("precious", encoding="utf-8")
    ended = run("predict", "--url", service.url, "--output", tmp_path / "kept.csv", tmp_path / "a.png")
    assert ended.exit_code == 2
    assert "--resume" in ended.stderr
    assert (tmp_path / "kept.csv").read_text(encoding="utf-8") == "precious"


@pytest.mark.parametrize("name", ["out.xlsx", "out.parquet", "out.CSV.gz"])
def test_an_output_that_is_not_written_is_refused_with_those_that_are(run: Run, tmp_path: Path, name: str) -> None:
    ended = run("predict", "--output", tmp_path / name, tmp_path / "a.png")
    assert ended.exit_code == 2
    assert "name it .csv (which spreadsheets open)" in ended.stderr
    assert not (tmp_path / name).exists()


def test_rows_fit_a_terminal_of_80_columns_and_names_keep_their_ends(
    run: Run, serve: Serve, image: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve(labels=[f"a class with a name that is far too long {number}" for number in range(10)])
    folder = tmp_path / "a folder with a long name" / "and another one below it"
    folder.mkdir(parents=True)
    fill(folder, {"first.png": image, "second.png": image})
    monkeypatch.setenv("COLUMNS", "80")
    rows = run("predict", "--url", service.url, folder).stdout.splitlines()
    assert [len(row) <= 80 for row in rows] == [True, True]
    assert "first.png" in rows[0]
    assert " ms" in rows[1]


def test_another_server_behind_the_address_is_named(
    run: Run, web: Callable[[bytes], WebServer], image: bytes, tmp_path: Path
) -> None:
    fill(tmp_path, {"a.png": image})
    ended = run("ready", "--url", web(b"<html>hello</html>").url.removesuffix("/a.png"))
    assert ended.exit_code == 4
    assert "BaseHTTP" in ended.stderr
    assert "Is this the address of an imgcls service?" in ended.stderr


def test_another_server_that_knows_none_of_the_routes_is_named(run: Run, image: bytes, tmp_path: Path) -> None:
    fill(tmp_path, {"a.png": image})

    class Files(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = functools.partial(Files, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"127.0.0.1:{server.server_address[1]}"
        ended = [run("ready", "--url", url), run("predict", "--url", url, tmp_path / "a.png")]
        server.shutdown()
        thread.join()
    for each in ended:
        assert each.exit_code == 4
        assert "is no imgcls service" in each.stderr


def test_resume_needs_a_jsonl_file(run: Run, tmp_path: Path) -> None:
    assert run("predict", "--resume", "--output", tmp_path / "a.csv", tmp_path).exit_code == 2


def test_a_file_that_no_run_wrote_is_not_resumed(run: Run, service: StandIn, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("precious\n", encoding="utf-8")
    ended = run("predict", "--url", service.url, "--resume", "--output", tmp_path / "a.jsonl", tmp_path)
    assert ended.exit_code == 2
    assert "line 1 is not a prediction" in ended.stderr
    assert (tmp_path / "a.jsonl").read_text(encoding="utf-8") == "precious\n"


def test_a_service_that_is_draining_ends_the_run_with_its_reason(
    run: Run, serve: Serve, refusal: type[Refusal], golden_images: dict[str, bytes], tmp_path: Path
) -> None:
    fill(tmp_path, golden_images)

    def drain(_service: StandIn, _request: Request) -> None:
        raise refusal(503, "not_ready", "The service is shutting down.")

    service = serve(answer_before=drain)
    ended = run("predict", "--url", service.url, "--retries", 0, "--concurrency", 1, tmp_path)
    assert ended.exit_code == 4
    assert "The service is shutting down" in ended.stderr
    assert len(service.requests) < len(golden_images)


def test_several_calls_are_under_way_at_once(
    run: Run, serve: Serve, golden_images: dict[str, bytes], tmp_path: Path
) -> None:
    """Each of the four calls waits for the other three, so answers prove that they overlapped."""
    together = threading.Barrier(4)

    def wait_for_the_others(_service: StandIn, _request: Request) -> None:
        together.wait(timeout=5)

    service = serve(answer_before=wait_for_the_others)
    fill(tmp_path, golden_images)
    assert run("predict", "--url", service.url, "--concurrency", 4, tmp_path).exit_code == 0


def fill(folder: Path, images: dict[str, bytes]) -> None:
    for name, content in images.items():
        (folder / name).write_bytes(content)
