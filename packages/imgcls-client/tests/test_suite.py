"""`imgcls-client suite` against healthy and broken services."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Run, StandIn


def test_a_healthy_service_passes(run: Run, service: StandIn) -> None:
    ended = run("suite", "--url", service.url)
    assert "failed" not in ended.stdout
    assert ended.exit_code == 0


def test_a_service_that_is_not_there_ends_with_3(run: Run, free_port: int) -> None:
    ended = run("suite", "--url", f"http://127.0.0.1:{free_port}", "--retries", 0)
    assert ended.exit_code == 3


def test_labelled_cases_are_asked(
    run: Run, service: StandIn, golden_pictures: dict[str, bytes], tmp_path: Path
) -> None:
    rows = ["file,class_id,label"]
    for name, content in golden_pictures.items():
        (tmp_path / name).write_bytes(content)
        class_id = run("predict", "--url", service.url, "--quiet", tmp_path / name).stdout.strip()
        rows.append(f"{name},{class_id},x")
    cases = tmp_path / "labels.csv"
    cases.write_text("\n".join(rows), encoding="utf-8")
    assert run("suite", "--url", service.url, "--only", "labelled_cases", "--cases", cases).exit_code == 0

    cases.write_text("\n".join([*rows[:-1], rows[-1].split(",")[0] + ",777,x"]), encoding="utf-8")
    ended = run("suite", "--url", service.url, "--only", "labelled_cases", "--cases", cases)
    assert ended.exit_code == 1
    assert "3 of 4 right (75.0%)" in ended.stdout
    arguments = ("--only", "labelled_cases", "--cases", cases, "--min-accuracy", 0.7)
    assert run("suite", "--url", service.url, *arguments).exit_code == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name,id\na,1\n", "it needs `file` and `class_id`"),
        ("file,class_id\na.png,tench\n", "line 2"),
        ("", "has no cases"),
    ],
)
def test_cases_that_cannot_be_read_are_a_usage_error(
    run: Run, service: StandIn, tmp_path: Path, content: str, said: str
) -> None:
    (tmp_path / "labels.csv").write_text(content, encoding="utf-8")
    ended = run("suite", "--url", service.url, "--cases", tmp_path / "labels.csv")
    assert ended.exit_code == 2
    assert said in ended.stderr


def test_only_and_skip_choose_by_group_and_name(run: Run) -> None:
    listed = run("suite", "--list", "--only", "robustness", "--skip", "oversize_body").stdout
    assert "empty_body" in listed
    assert "oversize_body" not in listed
    assert "golden_classes" not in listed


def test_an_unknown_group_is_a_usage_error_that_names_the_groups(run: Run) -> None:
    ended = run("suite", "--list", "--only", "robust")
    assert ended.exit_code == 2
    assert "correctness, robustness" in ended.stderr
