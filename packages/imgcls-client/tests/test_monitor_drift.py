"""`imgcls-client monitor` where the service says what it answers and what its artifact expects."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from imgcls_client.monitor.drift import answers_needed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Run, Serve, StandIn

    Watch = Callable[..., Any]

CLASSES = 10


def said(
    *, answers: int = 1000, images: int = 5000, classes: int = 0, confidence: int = 0, entropy: int = 0
) -> dict[str, object]:
    """The service's document: answers like the reference, less those moved to the last class or bin."""

    def moved(shares: list[float], away: int) -> list[int]:
        counts = [round(share * (answers - away)) for share in shares]
        counts[-1] += answers - sum(counts)
        return counts

    flat, lower_bins = [1 / CLASSES] * CLASSES, [0.1] * 10 + [0.0] * 10
    counts = {
        "answers": answers,
        "classes": moved(flat, classes),
        "confidence": moved(lower_bins, confidence),
        "entropy": moved(lower_bins, entropy),
    }
    reference = {"images": images, "class_shares": flat}
    reference |= {"confidence_shares": lower_bins, "entropy_shares": lower_bins}
    return {"model": {"name": "m", "sha256": "5" * 64}, "window_s": 3600, "window": counts, "reference": reference}


@pytest.fixture
def watch(run: Run, tmp_path: Path) -> Watch:
    """Make one pass and give its JSON document with `exit_code`."""

    def start(service: StandIn, *arguments: object) -> Any:
        ended = run("monitor", "--url", service.url, "--database", tmp_path / "m.sqlite", "--json", *arguments)
        return {**json.loads(ended.stdout), "exit_code": ended.exit_code, "stderr": ended.stderr}

    return start


def test_answers_like_the_reference_keep_the_rule_and_show_their_figures(
    watch: Watch, serve: Serve, tmp_path: Path
) -> None:
    seen = watch(serve(drift=said()), "--prometheus", tmp_path / "imgcls.prom")
    assert (seen["exit_code"], seen["broken"]) == (0, {})
    figures = seen["figures"]
    assert figures["drift_answers"] == 1000
    for of, length in (("classes", 10), ("confidence", 10), ("entropy", 10)):
        assert figures[f"drift_{of}_psi"] == pytest.approx(0, abs=1e-9)
        assert figures[f"drift_{of}_answers_needed"] == answers_needed(length, 5000, 0.25)
    text = (tmp_path / "imgcls.prom").read_text(encoding="utf-8")
    assert 'of="entropy"} 0' in text
    assert text.count("# TYPE imgcls_monitor_drift_psi gauge") == 1


@pytest.mark.parametrize("of", ["classes", "confidence", "entropy"])
def test_a_third_of_the_answers_elsewhere_is_drift_of_that_distribution(watch: Watch, serve: Serve, of: str) -> None:
    seen = watch(serve(drift=said(**{of: 400})))
    assert seen["exit_code"] == 1
    assert seen["broken"]["drift"].startswith(f"{of}: PSI ")
    assert "over 1000 answers to all callers" in seen["broken"]["drift"]
    assert ";" not in seen["broken"]["drift"]


def test_a_wider_limit_takes_more_and_needs_fewer_answers(watch: Watch, serve: Serve) -> None:
    service = serve(drift=said(classes=400))
    seen = watch(service, "--max-drift", 2)
    assert seen["ok"]
    assert seen["figures"]["drift_classes_answers_needed"] < 20
    assert not watch(service, "--max-drift", 0.1)["ok"]


def test_below_the_number_needed_nothing_is_judged_and_the_number_is_said(
    run: Run, serve: Serve, tmp_path: Path
) -> None:
    service = serve(drift=said(answers=60, classes=60))
    ended = run("monitor", "--url", service.url, "--database", tmp_path / "m.sqlite")
    assert ended.exit_code == 0
    assert f"drift: 60 of {answers_needed(10, 5000, 0.25)} answers needed" in ended.stdout


def test_a_reference_of_too_few_images_is_never_judged_and_the_line_says_why(
    run: Run, serve: Serve, tmp_path: Path
) -> None:
    service = serve(drift=said(images=50, classes=900))
    ended = run("monitor", "--url", service.url, "--database", tmp_path / "m.sqlite")
    assert ended.exit_code == 0
    assert "reference was measured on too few images" in ended.stdout


def test_a_reference_that_was_named_wins_over_the_services_own_classes(
    watch: Watch, serve: Serve, tmp_path: Path
) -> None:
    document = said(classes=400)
    reference = tmp_path / "reference.json"
    found = document["window"]["classes"]  # pyright: ignore[reportIndexIssue]
    reference.write_text(json.dumps({str(each): count for each, count in enumerate(found)}), encoding="utf-8")
    assert watch(serve(drift=document), "--reference", reference)["ok"]
    reference.write_text('{"3": 1.0}', encoding="utf-8")
    seen = watch(serve(drift=said(confidence=400)), "--reference", reference)
    by_file, by_artifact = seen["broken"]["drift"].split("; ")
    assert by_file.startswith("PSI ")
    assert "over 1000 answers to all callers" in by_file
    assert by_artifact.startswith("confidence: ")


@pytest.mark.parametrize(
    ("drift", "why"), [(None, "says nothing of its answers"), ({**said(), "reference": None}, "without a reference")]
)
def test_who_asks_for_a_limit_is_told_where_there_is_no_reference(
    watch: Watch, serve: Serve, drift: dict[str, object] | None, why: str
) -> None:
    service = serve(drift=drift)
    seen = watch(service, "--max-drift", 0.3)
    assert seen["ok"]
    assert why in seen["stderr"]
    assert "--reference" in seen["stderr"]
    assert watch(service)["stderr"] == ""


@pytest.mark.parametrize("document", [{}, {"window_s": "long"}, {**said(), "window": {"classes": ["x"]}}])
def test_a_document_that_cannot_be_understood_breaks_nothing(
    watch: Watch, serve: Serve, document: dict[str, object]
) -> None:
    assert watch(serve(drift=document))["ok"]


def test_drift_is_told_once_and_its_end_once(watch: Watch, serve: Serve) -> None:
    service = serve(drift=said(entropy=400))
    turns: list[str] = []
    for document in (said(entropy=400), said(entropy=500), said(), said()):
        service.faults.drift = document
        turns += [f"{turn['rule']} {turn['state']}" for turn in watch(service)["alerts"]]
    assert turns == ["drift broken", "drift recovered"]


def test_the_report_draws_expected_and_found_and_every_picture_is_well_formed(
    run: Run, watch: Watch, serve: Serve, tmp_path: Path
) -> None:
    service = serve(drift=said())
    for document in (said(), said(classes=400), said(confidence=400)):
        service.faults.drift = document
        watch(service)
    ended = run(
        "monitor", "report", "--database", tmp_path / "m.sqlite", "--html", tmp_path / "r.html", "--since", "1h"
    )
    assert ended.exit_code == 0, ended.stderr
    assert "| drift of the last pass | PSI classes 0.00 confidence 2." in ended.stdout
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    pictures = {
        ElementTree.fromstring(f"<svg{part.split('</svg>')[0]}</svg>").get("aria-label")  # noqa: S314 - our own page
        for part in page.split("<svg")[1:]
    }
    assert {f"{of}, expected and found" for of in ("classes", "confidence", "entropy")} < pictures
    assert "PSI over time" in pictures
    assert "judged on 1000 answers" in page


def test_a_database_of_the_first_version_is_taken_over(watch: Watch, serve: Serve, tmp_path: Path) -> None:
    watch(serve())
    with sqlite3.connect(tmp_path / "m.sqlite") as database:
        database.executescript("DROP TABLE drift; DROP TABLE live; PRAGMA user_version = 1;")
    database.close()
    assert watch(serve(drift=said()))["ok"]
    with sqlite3.connect(tmp_path / "m.sqlite") as database:
        assert database.execute("SELECT count(*) FROM passes").fetchone() == (2,)
        assert database.execute("SELECT count(*) FROM drift").fetchone() == (3,)
    database.close()


def test_checks_say_that_they_are_no_traffic_and_predictions_do_not(
    run: Run, service: StandIn, picture: bytes, tmp_path: Path
) -> None:
    def asked(*arguments: object) -> set[str | None]:
        service.requests.clear()
        run(*arguments, "--url", service.url)
        pictures = [request for request in service.requests if request.path == "/predict"]
        return {request.headers.get("x-imgcls-check") for request in pictures}

    (tmp_path / "a.png").write_bytes(picture)
    assert asked("monitor", "--database", tmp_path / "m.sqlite") == {"true"}
    assert asked("suite", "--only", "correctness") == {"true"}
    assert asked("bench", "--calls", 4, "--warm-up", "0s") == {"true"}
    assert asked("predict", tmp_path / "a.png") == {None}
