"""`imgcls-client bench` and the figures it draws from samples."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imgcls_client.load.samples import CallSample, Load, percentile

if TYPE_CHECKING:
    from conftest import Refusal, Request, Run, Serve, StandIn

SHORT = ("--duration", 0.4, "--warm-up", 0)


def test_a_closed_loop_reports_every_call(run: Run, service: StandIn) -> None:
    ended = run("bench", "--url", service.url, *SHORT, "-c", 4, "--json")
    document = json.loads(ended.stdout)
    assert ended.exit_code == 0
    assert document["answered"] == document["calls"] > 4
    assert document["errors"] == {}
    assert document["latency_ms"]["p50"] <= document["latency_ms"]["p99"] <= document["latency_ms"]["max"]


def test_calls_stop_at_the_number_asked_for(run: Run, service: StandIn) -> None:
    ended = run("bench", "--url", service.url, "--duration", 20, "--warm-up", 0, "--calls", 12, "--json")
    assert json.loads(ended.stdout)["calls"] == 12


def test_an_open_loop_sends_at_the_rate_asked_for(run: Run, service: StandIn) -> None:
    ended = run("bench", "--url", service.url, "--duration", 1, "--warm-up", 0, "--rate", 40, "--json")
    assert json.loads(ended.stdout)["calls"] == 40


def test_an_open_loop_charges_a_stall_to_every_call_that_it_held_up(run: Run, serve: Serve) -> None:
    """One answer at a time and one stall of half a second: a closed loop sees one slow call, an open loop many."""
    stalled = threading.Event()
    one_at_a_time = threading.Lock()

    def stall_once(_service: StandIn, request: Request) -> None:
        with one_at_a_time:
            if request.path == "/predict" and not stalled.is_set() and len(_service.requests) > 10:
                stalled.set()
                threading.Event().wait(0.5)  # the stall itself

    service = serve(answer_before=stall_once)
    arguments = ("bench", "--url", service.url, "--duration", 1.2, "--warm-up", 0, "--json")
    open_loop = json.loads(run(*arguments, "--rate", 50).stdout)
    stalled.clear()
    service.requests.clear()
    closed_loop = json.loads(run(*arguments, "--concurrency", 1).stdout)
    assert open_loop["latency_ms"]["p90"] > 3 * closed_loop["latency_ms"]["p90"]


def test_failures_are_counted_by_kind(run: Run, serve: Serve, refusal: type[Refusal]) -> None:
    def refuse_every_third(service: StandIn, request: Request) -> None:
        if request.path == "/predict" and len(service.requests) % 3 == 0:
            raise refusal(503, "queue_full", "full")

    ended = run("bench", "--url", serve(answer_before=refuse_every_third).url, *SHORT, "--json")
    document = json.loads(ended.stdout)
    assert document["errors"]["queue_full"] > 0
    assert document["answered"] + document["errors"]["queue_full"] == document["calls"]


def test_own_images_are_sent(run: Run, service: StandIn, tmp_path: Path, golden_images: dict[str, bytes]) -> None:
    (tmp_path / "own.png").write_bytes(golden_images["golden-3.png"])
    run("bench", "--url", service.url, *SHORT, "--calls", 5, tmp_path / "own.png")
    sent = {request.body for request in service.requests if request.path == "/predict"}
    assert sent == {golden_images["golden-3.png"]}


def test_a_run_is_compared_with_an_earlier_one_and_drawn(run: Run, service: StandIn, tmp_path: Path) -> None:
    before = tmp_path / "before.json"
    before.write_text(run("bench", "--url", service.url, *SHORT, "--json").stdout, encoding="utf-8")
    ended = run("bench", "--url", service.url, *SHORT, "--compare", before, "--html", tmp_path / "b.html")
    assert "answers_a_second" in ended.stdout
    assert "latency p99" in ended.stdout
    page = (tmp_path / "b.html").read_text(encoding="utf-8")
    assert page.count("<circle") > 4


def test_a_file_that_is_no_earlier_run_is_a_usage_error(run: Run, service: StandIn, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[]", encoding="utf-8")
    ended = run("bench", "--url", service.url, "--compare", tmp_path / "x.json")
    assert ended.exit_code == 2
    assert "is not a document that `bench --json` wrote" in ended.stderr


@pytest.mark.parametrize(("share", "late_ms", "is_limit"), [(0.2, 1, False), (0.95, 1, True), (0.2, 50, True)])
def test_the_client_says_when_it_is_the_limit_itself(share: float, late_ms: float, is_limit: bool) -> None:
    load = Load((CallSample(0, 5, "answered"),), elapsed_s=1, client_share=share, late_ms=late_ms)
    assert load.is_limited_by_client is is_limit


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 100))
def test_a_percentile_is_a_value_that_occurred_with_its_share_at_or_below(values: list[float], percent: float) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= percent / 100 * len(values) - 1e-6


def test_a_sweep_doubles_the_callers_until_more_bring_nothing_and_recommends_one(run: Run, serve: Serve) -> None:
    """One image at a time, however many ask: a second caller brings no more answers."""
    one_at_a_time = threading.Lock()

    def work(_service: StandIn, request: Request) -> None:
        if request.path == "/predict":
            with one_at_a_time:
                threading.Event().wait(0.02)  # the work itself

    url = serve(answer_before=work).url
    ended = run("bench", "--url", url, *SHORT, "--sweep", "--price", 3.6)
    assert ended.exit_code == 0, ended.stderr
    header, *rows, advice = ended.stdout.splitlines()
    assert header.split()[2:4] == ["callers", "answers/s"]
    callers = [int(row.split()[2]) for row in rows]
    assert callers == [2**step for step in range(len(rows))]
    assert 2 <= len(rows) <= 9
    assert advice.startswith("Recommended: as it is set, ")
    assert "for a million images at 3.6 an hour" in advice


def test_a_sweep_starts_the_service_with_each_setting(run: Run, tmp_path: Path) -> None:
    stand_in = tmp_path / "service.py"
    folder = Path(__file__).parent
    stand_in.write_text(
        f"import os, sys, threading\nsys.path.insert(0, {str(folder)!r})\n"
        "from stand_in import Faults, StandIn\n"
        "with StandIn(Faults(), port=int(os.environ['IMGCLS_PORT'])):\n    threading.Event().wait()\n"
    )
    start = ("--start", f"{sys.executable} {stand_in}", "--threads", "1,2", "--batches", 4)
    document = json.loads(run("bench", *SHORT, "--sweep", *start, "--json").stdout)
    assert [{"IMGCLS_THREADS": one, "IMGCLS_MAX_BATCH": "4"} for one in "12"] == list(
        {point["settings"]["IMGCLS_THREADS"]: point["settings"] for point in document["points"]}.values()
    )
    assert document["points"][document["recommended"]]["errors"] == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--price", 1), "go with --sweep"),
        (("--sweep", "--rate", 5), "--sweep chooses the callers itself"),
        (("--sweep", "--start", "no-such-command"), "cannot be run"),
        (("--sweep", "--start", f"{sys.executable} -c 1"), "ended with 0 before it was ready"),
        (("--sweep", "--start", "x", "--threads", "two"), "whole numbers above 0"),
    ],
)
def test_a_sweep_that_cannot_be_is_a_usage_error(run: Run, arguments: tuple[object, ...], said: str) -> None:
    ended = run("bench", *arguments)
    assert ended.exit_code == 2
    assert said in ended.stderr
