"""`imgcls-client suite` against healthy and broken services."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from imgcls_contract import Accuracy

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


def labelled(run: Run, url: str, images: dict[str, bytes], folder: Path, *, wrong: int = 0) -> Path:
    """Write images and a table of the classes that the service gives them, but for as many that are wrong."""
    rows = ["file,class_id,label"]
    for number, (name, content) in enumerate(images.items()):
        (folder / name).write_bytes(content)
        class_id = run("predict", "--url", url, "--quiet", folder / name).stdout.strip()
        rows.append(f"{name},{777 if number < wrong else class_id},x")
    (folder / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder / "labels.csv"


def test_labelled_cases_are_measured_by_the_share_that_was_asked_for(
    run: Run, service: StandIn, golden_images: dict[str, bytes], tmp_path: Path
) -> None:
    cases = labelled(run, service.url, golden_images, tmp_path, wrong=1)
    arguments = ("suite", "--url", service.url, "--only", "labelled_cases", "--cases", cases)
    ended = run(*arguments, "--min-accuracy", 1)
    assert ended.exit_code == 1
    assert "75.0% (3 of 4 right in --cases; 95 % interval 30.1% to 95.4%), asked for 100.0%" in ended.stdout
    assert run(*arguments, "--min-accuracy", 0.7).exit_code == 0


@pytest.mark.parametrize(("wrong", "exit_code"), [(0, 0), (1, 0), (4, 1)])
def test_labelled_cases_are_measured_by_what_the_artifact_says_of_itself(
    run: Run, serve: Serve, golden_images: dict[str, bytes], tmp_path: Path, wrong: int, exit_code: int
) -> None:
    """Four images say little: only what chance does not explain is a failure."""
    service = serve(accuracy=Accuracy(900, 1000, "test"))
    cases = labelled(run, service.url, golden_images, tmp_path, wrong=wrong)
    ended = run("suite", "--url", service.url, "--only", "labelled_cases", "--cases", cases)
    assert ended.exit_code == exit_code
    assert "the artifact says 90.0% (900 of 1,000 right in test; 95 % interval 88.0% to 91.7%)" in ended.stdout


def test_labelled_cases_are_counted_where_nobody_says_what_to_measure_them_by(
    run: Run, service: StandIn, golden_images: dict[str, bytes], tmp_path: Path
) -> None:
    cases = labelled(run, service.url, golden_images, tmp_path, wrong=2)
    ended = run("suite", "--url", service.url, "--only", "labelled_cases", "--cases", cases)
    assert ended.exit_code == 0
    assert "skipped" in ended.stdout
    assert "50.0% (2 of 4 right" in ended.stdout
    assert "--min-accuracy sets a limit" in ended.stdout


def test_a_signature_is_asked_for_by_the_key_itself(run: Run, service: StandIn, tmp_path: Path) -> None:
    raw = bytes(range(32))
    der = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + raw).decode()
    (tmp_path / "public.pem").write_text(f"-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n")
    key_id = hashlib.sha256(raw).hexdigest()[:16]
    asked = ("suite", "--url", service.url, "--only", "identity")
    for key in (key_id, tmp_path / "public.pem", base64.b64encode(raw).decode()):
        assert f"not by {key_id}" in run(*asked, "--signed-by", key).stdout
    (tmp_path / "private.pem").write_text("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n")
    refused = run(*asked, "--signed-by", tmp_path / "private.pem")
    assert (refused.exit_code, "is a private key" in refused.stderr) == (2, True)
    assert "neither a key's id" in run(*asked, "--signed-by", tmp_path / "missing.pem").stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name,id\na,1\n", "it needs file, and class_id"),
        ("file,class_id\na.png,tench\n", "line 2"),
        ("", "is empty; it needs the header"),
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
    assert "identity, correctness, paths, images, robustness" in ended.stderr


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


def test_a_service_that_is_not_ready_is_told_once_and_no_test_is_run(run: Run, serve: Serve, tmp_path: Path) -> None:
    service = serve(is_ready=False)
    ended = run("suite", "--url", service.url, "--junit", tmp_path / "suite.xml")
    assert (ended.exit_code, ended.stdout) == (3, "")
    assert ended.stderr.count("\n") == 1
    assert "The model is still loading. No test was run." in ended.stderr
    assert service.paths() == ["/health", "/ready", "/health"]
    root = ElementTree.parse(tmp_path / "suite.xml").getroot()  # noqa: S314 - our own file
    assert {child.tag for case in root.iter("testcase") for child in case} == {"skipped"}


def test_golden_cases_that_fail_are_explained_by_the_fault_whose_answers_they_are(run: Run, serve: Serve) -> None:
    def exchange_red_and_blue(pixels: bytes) -> bytes:
        swapped = bytearray(pixels)
        swapped[0::3], swapped[2::3] = pixels[2::3], pixels[0::3]
        return bytes(swapped)

    ended = run("suite", "--url", serve(pixels=exchange_red_and_blue).url, "--only", "golden_probabilities", "--json")
    assert ended.exit_code == 1
    assert "4 of 4 answers are those of: red and blue exchanged" in json.loads(ended.stdout)["tests"][0]["detail"]


def test_without_an_identity_the_first_line_says_that_it_was_not_checked(run: Run, service: StandIn) -> None:
    arguments = ("suite", "--url", service.url, "--only", "identity")
    first = run(*arguments).stdout.splitlines()[1]
    assert "skipped" in first
    assert "the model's identity was not checked" in first
    assert run(*arguments, "--model-sha256", "5555").exit_code == 0
    other = run(*arguments, "--model-sha256", "5" * 63 + "6", "--json")
    assert other.exit_code == 1
    assert f"has the sha256 {'5' * 64}, expected is {'5' * 63}6" in json.loads(other.stdout)["tests"][0]["detail"]
    assert "is signed by nobody" in run(*arguments, "--signed-by", "0123").stdout


def test_a_service_may_call_the_model_otherwise_than_the_artifact(
    run: Run, service: StandIn, colours_path: Path
) -> None:
    assert run("suite", "--url", service.url, "--only", "protocol", "--artifact", colours_path).exit_code == 0


def test_an_artifact_of_another_model_is_told_by_identity_golden_cases_and_drawn_images(
    run: Run, service: StandIn, colours_path: Path
) -> None:
    ended = run("suite", "--url", service.url, "--only", "identity", "--artifact", colours_path, "--seed", 7, "--json")
    assert ended.exit_code == 1
    tests = {test["name"]: test for test in json.loads(ended.stdout)["tests"]}
    assert {name for name, test in tests.items() if test["outcome"] == "failed"} == {
        "model_identity",
        "golden_of_the_artifact",
        "drawn_images",
    }


def test_golden_images_are_saved_under_names_that_stay_in_their_folder(
    run: Run, service: StandIn, tmp_path: Path, golden_images: dict[str, bytes]
) -> None:
    ended = run("golden", "--url", service.url, "--save", tmp_path / "golden")
    assert ended.exit_code == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "golden").iterdir()} == golden_images
    assert run("predict", "--url", service.url, tmp_path / "golden").exit_code == 0
