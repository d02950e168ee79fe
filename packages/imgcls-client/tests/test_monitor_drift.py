"""`imgcls-client monitor` where the service says what it answers and what its artifact expects."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import imgcls_client
import msgspec
import pytest
from imgcls_contract import (
    AnswerHistograms,
    DriftFiguresReply,
    DriftReply,
    DriftStatus,
    ModelDriftReply,
    ModelId,
    ReferenceReply,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Run, Serve, StandIn

    Watch = Callable[..., Any]

CLASSES = 10
NEEDED = {"classes": 113, "confidence": 113, "entropy": 113}


def said(*, answers: int = 1000, images: int = 5000, moved: dict[str, float] | None = None) -> dict[str, object]:
    """The service's document: answers like the reference, but for the indices of the distributions that moved.

    Args:
        answers: in the window; below 113 nothing is judged.
        images: of the reference; below 100 nothing is ever judged.
        moved: distribution → its index.
    """
    flat, lower_bins = [1 / CLASSES] * CLASSES, [0.1] * 10 + [0.0] * 10
    counts = AnswerHistograms(
        answers=answers,
        classes=[round(share * answers) for share in flat],
        confidence=[round(share * answers) for share in lower_bins],
        entropy=[round(share * answers) for share in lower_bins],
    )

    def figures(of: str) -> DriftReply:
        psi = (moved or {}).get(of, 0.0)
        needed = NEEDED[of] if images >= 100 else None
        status: DriftStatus = "drifted" if psi > 0.25 else "stable"
        if needed is None:
            status = "reference_too_small"
        elif answers < needed:
            status = "too_few_answers"
        return DriftReply(status=status, psi=psi, jensen_shannon=psi / 3, answers_needed=needed)

    return msgspec.to_builtins(
        ModelDriftReply(
            model=ModelId("stand-in", "5" * 64),
            limit_psi=0.25,
            window_s=3600,
            window=counts,
            since_load=counts,
            reference=ReferenceReply(images, flat, lower_bins, lower_bins),
            drift=DriftFiguresReply(figures("classes"), figures("confidence"), figures("entropy")),
        )
    )


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
    for of, needed in NEEDED.items():
        assert figures[f"drift_{of}_psi"] == 0
        assert figures[f"drift_{of}_answers_needed"] == needed
    text = (tmp_path / "imgcls.prom").read_text(encoding="utf-8")
    assert 'of="entropy"} 0' in text
    assert text.count("# TYPE imgcls_monitor_drift_psi gauge") == 1


@pytest.mark.parametrize("of", ["classes", "confidence", "entropy"])
def test_what_the_service_calls_drift_is_drift_of_that_distribution(watch: Watch, serve: Serve, of: str) -> None:
    seen = watch(serve(drift=said(moved={of: 0.4})))
    assert seen["exit_code"] == 1
    assert seen["broken"]["drift"].startswith(f"{of}: PSI ")
    assert "over 1000 answers to all callers" in seen["broken"]["drift"]
    assert ";" not in seen["broken"]["drift"]


def test_the_service_judges_by_the_limit_that_was_asked_for(watch: Watch, serve: Serve) -> None:
    service = serve(drift=said())
    watch(service, "--max-drift", 2)
    assert [request.query for request in service.requests if request.path.endswith("/drift")] == [{"limit_psi": "2"}]


def test_below_the_number_needed_nothing_is_judged_and_the_number_is_said(
    run: Run, serve: Serve, tmp_path: Path
) -> None:
    service = serve(drift=said(answers=60, moved={"classes": 3}))
    ended = run("monitor", "--url", service.url, "--database", tmp_path / "m.sqlite")
    assert ended.exit_code == 0
    assert "drift: 60 of 113 answers needed" in ended.stdout


def test_a_reference_of_too_few_images_is_never_judged_and_the_line_says_why(
    run: Run, serve: Serve, tmp_path: Path
) -> None:
    service = serve(drift=said(images=50, moved={"classes": 3}))
    ended = run("monitor", "--url", service.url, "--database", tmp_path / "m.sqlite")
    assert ended.exit_code == 0
    assert "reference was measured on too few images" in ended.stdout


@pytest.mark.parametrize(
    ("drift", "why"),
    [(None, "says nothing of its answers"), ({**said(), "reference": None, "drift": None}, "without a reference")],
)
def test_who_asks_for_a_limit_is_told_where_there_is_no_reference(
    watch: Watch, serve: Serve, drift: dict[str, object] | None, why: str
) -> None:
    service = serve(drift=drift)
    seen = watch(service, "--max-drift", 0.3)
    assert seen["ok"]
    assert why in seen["stderr"]
    assert "--max-drift judges nothing" in seen["stderr"]
    assert watch(service)["stderr"] == ""


@pytest.mark.parametrize("document", [{}, {"window_s": "long"}, {**said(), "window": {"classes": ["x"]}}])
def test_a_document_that_cannot_be_understood_breaks_nothing(
    watch: Watch, serve: Serve, document: dict[str, object]
) -> None:
    assert watch(serve(drift=document))["ok"]


def test_drift_is_told_once_and_its_end_once(watch: Watch, serve: Serve) -> None:
    service = serve(drift=said(moved={"entropy": 0.4}))
    turns: list[str] = []
    for document in (said(moved={"entropy": 0.4}), said(moved={"entropy": 0.5}), said(), said()):
        service.faults.drift = document
        turns += [f"{turn['rule']} {turn['state']}" for turn in watch(service)["alerts"]]
    assert turns == ["drift broken", "drift recovered"]


def test_the_report_draws_expected_and_actual_and_every_chart_is_well_formed(
    run: Run, watch: Watch, serve: Serve, tmp_path: Path
) -> None:
    service = serve(drift=said())
    for document in (said(), said(moved={"classes": 0.4}), said(moved={"confidence": 2.0})):
        service.faults.drift = document
        watch(service)
    ended = run(
        "monitor", "report", "--database", tmp_path / "m.sqlite", "--html", tmp_path / "r.html", "--since", "1h"
    )
    assert ended.exit_code == 0, ended.stderr
    assert "| drift of the last pass | PSI classes 0.00 confidence 2." in ended.stdout
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    figures = [
        ElementTree.fromstring(f'<figure class="chart{part.split("</figure>")[0]}</figure>')  # noqa: S314 - our own page
        for part in page.split('<figure class="chart')[1:]
    ]
    charts = {drawing.get("aria-label") for figure in figures for drawing in figure.iterfind("svg")}
    assert {f"{of}, expected and actual" for of in ("confidence", "entropy")} < charts
    assert "classes, expected and actual: those that moved most" in page
    assert "PSI over time" in charts
    assert ">drifted, of 1,000 answers<" in page
    assert '<dt>drifted</dt><dd class="bad">confidence</dd>' in page
    assert "Classes answered to all callers" in page
    assert "axolotl" in page.split("Classes answered to all callers")[1].split("</section>")[0]


def test_the_report_draws_no_drift_from_a_handful_of_answers(
    run: Run, watch: Watch, serve: Serve, tmp_path: Path
) -> None:
    service = serve(drift=said(answers=5))
    watch(service)
    run("monitor", "report", "--database", tmp_path / "m.sqlite", "--html", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Too few for a verdict, so nothing is drawn" in page
    assert "expected and actual" not in page
    assert "PSI over time" not in page


@pytest.mark.parametrize("version", [1, 2])
def test_a_history_of_an_earlier_version_is_taken_over(
    run: Run, watch: Watch, serve: Serve, tmp_path: Path, version: int
) -> None:
    service = serve(drift=said())
    tables = Path(imgcls_client.__file__).parent / "data" / "history"
    files = (tables / "1.sql", tables / "2.sql", Path(__file__).parent / "data" / "history-version-2.sql")
    script = "".join(file.read_text(encoding="utf-8") for file in files)
    with sqlite3.connect(tmp_path / "m.sqlite") as database:
        database.executescript(script.replace("http://earlier", service.url))
        if version == 1:
            database.executescript("DROP TABLE drift; DROP TABLE live; PRAGMA user_version = 1;")
    database.close()
    report = (
        "monitor",
        "report",
        "--database",
        tmp_path / "m.sqlite",
        "--html",
        tmp_path / "r.html",
        "--since",
        "9999d",
    )
    ended = run(*report)
    assert ended.exit_code == 0, ended.stderr
    assert "| passes | 2," in ended.stdout
    assert watch(service)["ok"]
    assert "| passes | 3," in run(*report).stdout
    with sqlite3.connect(tmp_path / "m.sqlite") as database:
        passes = [json.loads(document) for (document,) in database.execute("SELECT document FROM passes ORDER BY id")]
    database.close()
    assert passes[0]["calls"][0]["image"] == "old.png"
    states = [drift["status"] for seen in passes for drift in seen.get("drift", [])]
    assert states[-3:] == ["stable"] * 3
    assert states[:-3] == ([] if version == 1 else ["drifted", "too_few_answers", "reference_too_small"])


def test_checks_say_that_they_are_no_traffic_and_predictions_do_not(
    run: Run, service: StandIn, image: bytes, tmp_path: Path
) -> None:
    def asked(*arguments: object) -> set[str | None]:
        service.requests.clear()
        run(*arguments, "--url", service.url)
        images = [request for request in service.requests if request.path == "/predict"]
        return {request.headers.get("x-imgcls-check") for request in images}

    (tmp_path / "a.png").write_bytes(image)
    assert asked("monitor", "--database", tmp_path / "m.sqlite") == {"true"}
    assert asked("suite", "--only", "correctness") == {"true"}
    assert asked("bench", "--calls", 4, "--warm-up", "0s") == {"true"}
    assert asked("predict", tmp_path / "a.png") == {None}
