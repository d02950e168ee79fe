"""`imgcls-client predict` as a user types it."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Run, Serve, StandIn


def test_one_picture_prints_id_label_and_probability(
    run: Run, service: StandIn, picture: bytes, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(picture)
    ended = run("predict", "--url", service.url, tmp_path / "a.png")
    assert ended.exit_code == 0
    class_id, rest = ended.stdout.split(maxsplit=1)
    assert class_id.isdecimal()
    assert "%" in rest
    assert " ms" in rest
    assert ended.stderr == ""


def test_quiet_prints_the_id_alone(run: Run, service: StandIn, picture: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture)
    ended = run("predict", "--url", service.url, "--quiet", tmp_path / "a.png")
    assert ended.stdout.strip().isdecimal()


def test_json_is_one_document_with_every_picture_in_order(
    run: Run, service: StandIn, golden_pictures: dict[str, bytes], tmp_path: Path
) -> None:
    for name, content in golden_pictures.items():
        (tmp_path / name).write_bytes(content)
    ended = run("predict", "--url", service.url, "--json", tmp_path)
    document = json.loads(ended.stdout)
    assert [row["file"] for row in document["results"]] == sorted(str(tmp_path / name) for name in golden_pictures)
    assert all(len(row["top"]) == 5 and row["call_ms"] > 0 for row in document["results"])
    assert document["summary"]["failed"] == 0


def test_folders_are_walked_and_only_pictures_are_taken(
    run: Run, service: StandIn, picture: bytes, tmp_path: Path
) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a.PNG").write_bytes(picture)
    (tmp_path / "notes.txt").write_text("nothing", encoding="utf-8")
    ended = run("predict", "--url", service.url, "--quiet", tmp_path)
    assert ended.exit_code == 0
    assert len(ended.stdout.split()) == 1


def test_a_picture_comes_from_standard_input(
    run: Run, service: StandIn, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(picture), encoding="utf-8"))
    assert run("predict", "--url", service.url, "--quiet", "-").stdout.strip().isdecimal()


def test_a_bad_file_is_one_line_and_the_rest_is_answered(
    run: Run, service: StandIn, picture: bytes, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(picture)
    (tmp_path / "b.png").write_bytes(b"no picture")
    ended = run("predict", "--url", service.url, tmp_path / "a.png", tmp_path / "b.png", tmp_path / "missing.png")
    assert ended.exit_code == 1
    good, bad, missing = ended.stdout.splitlines()
    assert "%" in good
    assert "image_undecodable" in bad
    assert "No such file" in missing


def test_top_k_shows_as_many_classes(run: Run, service: StandIn, picture: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture)
    assert len(run("predict", "--url", service.url, "--top-k", 3, tmp_path / "a.png").stdout.splitlines()) == 3


def test_a_top_k_that_the_service_refuses_ends_with_4(
    run: Run, service: StandIn, picture: bytes, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(picture)
    ended = run("predict", "--url", service.url, "--top-k", 99, tmp_path / "a.png")
    assert ended.exit_code == 4
    assert "top_k is 99; it can be 1 to 10" in ended.stderr


def test_a_service_that_is_not_there_ends_with_3_and_one_sentence(
    run: Run, free_port: int, picture: bytes, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(picture)
    ended = run("predict", "--url", f"http://127.0.0.1:{free_port}", "--retries", 0, tmp_path / "a.png")
    assert ended.exit_code == 3
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1
    assert "connection refused" in ended.stderr


def test_an_address_without_a_scheme_is_a_usage_error(run: Run, picture: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture)
    ended = run("predict", "--url", "localhost:8192", tmp_path / "a.png")
    assert ended.exit_code == 2
    assert "needs http:// or https://" in ended.stderr


def test_a_wrong_key_ends_with_4_and_is_never_shown(run: Run, serve: Serve, picture: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture)
    service = serve(api_key="right")
    ended = run("predict", "--url", service.url, "--api-key", "hunter2", tmp_path / "a.png")
    assert ended.exit_code == 4
    assert "unauthorized" in ended.stderr
    assert "hunter2" not in ended.stdout + ended.stderr
    assert run("predict", "--url", service.url, "--api-key", "right", tmp_path / "a.png").exit_code == 0
