"""`imgcls-client suite` against healthy and broken services."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Run, Serve, StandIn


def test_a_healthy_service_passes(run: Run, service: StandIn) -> None:
    ended = run("suite", "--url", service.url, "--load-time", 0.3)
    assert "failed" not in ended.stdout
    assert ended.exit_code == 0


def test_a_service_that_is_not_there_ends_with_3(run: Run, free_port: int) -> None:
    ended = run("suite", "--url", f"http://127.0.0.1:{free_port}", "--retries", 0)
    assert ended.exit_code == 3


def test_labelled_cases_are_asked(run: Run, service: StandIn, golden_images: dict[str, bytes], tmp_path: Path) -> None:
    rows = ["file,class_id,label"]
    for name, content in golden_images.items():
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


def test_reports_are_written_for_ci_and_for_people(run: Run, serve: Serve, tmp_path: Path) -> None:
    service = serve(labels=[f"class <{number}>" for number in range(10)])
    files = ("--junit", tmp_path / "suite.xml", "--html", tmp_path / "suite.html")
    ended = run("suite", "--url", service.url, "--only", "golden_labels", "--only", "top_k", *files)
    assert ended.exit_code == 1
    root = ElementTree.parse(tmp_path / "suite.xml").getroot()  # noqa: S314 - our own file
    cases = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    assert cases == {"golden_labels": ["failure"], "top_k": ["system-out"]}
    page = (tmp_path / "suite.html").read_text(encoding="utf-8")
    assert "class &lt;" in page
    assert "://" not in page.replace(service.url, "")
    assert "failed (1)" in page.split("<legend>Show</legend>")[1]


def test_json_is_one_document_with_every_test(run: Run, service: StandIn) -> None:
    document = json.loads(run("suite", "--url", service.url, "--only", "protocol", "--json").stdout)
    assert document["passed"] is True
    assert {test["outcome"] for test in document["tests"]} == {"passed"}
    assert document["model"]["name"] == "stand-in"


def test_an_open_deployment_fails_where_a_private_one_is_expected(run: Run, service: StandIn) -> None:
    assert run("suite", "--url", service.url, "--only", "security").exit_code == 0
    assert run("suite", "--url", service.url, "--only", "security", "--expect-private").exit_code == 1


def test_a_wrong_key_ends_the_suite_at_once_because_its_tests_would_mean_nothing(run: Run, serve: Serve) -> None:
    ended = run("suite", "--url", serve(api_key="right").url, "--api-key", "wrong")
    assert ended.exit_code == 4
    assert ended.stdout == ""
    assert "unauthorized" in ended.stderr
