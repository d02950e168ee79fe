"""`imgcls-client monitor report` and the figures it draws from many passes."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imgcls_client.monitor.drift import drift_index, expected_noise, jensen_shannon, population_stability
from imgcls_client.monitor.history import History
from imgcls_client.monitor.observation import CallSeen, Observation

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Run, Serve, StandIn

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CALL = CallSeen("a.png", class_id=3, label="cat", probability=0.9, call_ms=20, difference=0.0, is_right=True)
GOOD = Observation("http://x", START, True, True, None, "m", "5" * 64, "cpu", 1e-4, 30.0, (CALL,))
GONE = replace(GOOD, is_available=False, is_ready=False, reason="unreachable: gone", calls=(), model_sha256=None)


def at(second: int, seen: Observation) -> Observation:
    return replace(seen, at=START + timedelta(seconds=second))


def test_the_report_is_one_page_without_anything_from_outside(run: Run, serve: Serve, tmp_path: Path) -> None:
    service, database = serve(), tmp_path / "m.sqlite"
    watch = ("monitor", "--url", service.url, "--database", database)
    run(*watch)
    service.faults.is_ready = False
    run(*watch)
    service.faults.is_ready = True
    run(*watch)
    ended = run(
        "monitor", "report", "--database", database, "--html", tmp_path / "r.html", "--summary", tmp_path / "s.md"
    )
    assert ended.exit_code == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "The model is still loading." in page
    assert 'class="gap"' in page
    assert "66.67%" in page
    assert "mean class id" in page
    assert "<script" not in page
    assert "http" not in page.replace(service.url, "")
    summary = (tmp_path / "s.md").read_text(encoding="utf-8")
    assert summary == ended.stdout
    assert "a call takes" in summary


def test_an_open_alert_is_shown_until_it_recovers(run: Run, service: StandIn, tmp_path: Path) -> None:
    database = ("--database", tmp_path / "m.sqlite")
    report = ("monitor", "report", *database, "--html", tmp_path / "r.html")
    run("monitor", "--url", service.url, *database, "--model-sha256", "abc")
    assert "failing" in run(*report).stdout
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "the model is 555555555555…, expected abc…" in page
    run("monitor", "--url", service.url, *database)
    assert "healthy" in run(*report).stdout


def test_every_picture_of_the_report_is_well_formed(run: Run, service: StandIn, tmp_path: Path) -> None:
    run("monitor", "--url", service.url, "--database", tmp_path / "m.sqlite", "--every", "0.1s", "--for", "0.3s")
    run("monitor", "report", "--database", tmp_path / "m.sqlite", "--html", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    pictures = page.split("<svg")[1:]
    assert len(pictures) >= 5
    for picture in pictures:
        ElementTree.fromstring("<svg" + picture.split("</svg>")[0] + "</svg>")  # noqa: S314 - our own page


def test_a_report_without_passes_says_what_was_watched(run: Run, service: StandIn, tmp_path: Path) -> None:
    run("monitor", "--url", service.url, "--database", tmp_path / "m.sqlite")
    ended = run("monitor", "report", "--database", tmp_path / "m.sqlite", "--url", "http://other")
    assert ended.exit_code == 2
    assert service.url in ended.stderr


def test_a_report_without_a_database_names_the_command_that_makes_one(run: Run, tmp_path: Path) -> None:
    ended = run("monitor", "report", "--database", tmp_path / "none.sqlite")
    assert ended.exit_code == 2
    assert "`imgcls-client monitor` makes one" in ended.stderr
    assert not (tmp_path / "none.sqlite").exists()


def test_an_outage_lasts_from_its_first_bad_pass_to_the_next_good_one() -> None:
    history = History([at(0, GOOD), at(10, GONE), at(20, GONE), at(30, GOOD), at(40, GONE)])
    first, last = history.outages()
    assert first.length_s(history.end) == 20
    assert last.end is None
    assert history.share(lambda seen: seen.is_available) == 0.4
    assert history.errors() == {"unreachable": 3}
    assert history.last_good == START + timedelta(seconds=30)


def test_a_silence_of_the_monitor_is_a_break_and_no_outage() -> None:
    history = History([*(at(10 * number, GOOD) for number in range(10)), at(5000, GOOD), at(5010, GOOD)])
    assert history.outages() == []
    assert [bucket.is_break for bucket in history.buckets()].count(True) == 1


def test_many_passes_are_drawn_in_few_buckets_and_none_is_lost() -> None:
    history = History([at(number, GOOD) for number in range(5000)])
    buckets = history.buckets()
    assert len(buckets) <= 130
    assert sum(len(bucket.passes) for bucket in buckets) == 5000


def test_a_change_of_model_is_listed() -> None:
    other = replace(GOOD, model_sha256="6" * 64)
    history = History([at(0, GOOD), at(10, GONE), at(20, other), at(30, other)])
    assert [sha256[0] for _, _, sha256 in history.models()] == ["5", "6"]


counts = st.dictionaries(st.integers(0, 20), st.integers(1, 100), min_size=1)


@given(counts, counts)
def test_distances_between_distributions_are_bounded_and_symmetric(
    one: dict[int, float], other: dict[int, float]
) -> None:
    assert 0 <= jensen_shannon(one, other) <= 1 + 1e-9
    assert jensen_shannon(one, other) == pytest.approx(jensen_shannon(other, one))
    assert jensen_shannon(one, one) == pytest.approx(0, abs=1e-6)
    assert population_stability(one, other) >= -1e-9
    assert population_stability(one, one) == pytest.approx(0, abs=1e-9)


def test_distributions_without_common_classes_are_as_far_apart_as_can_be() -> None:
    assert jensen_shannon({1: 5}, {2: 9}) == pytest.approx(1)
    assert population_stability({1: 50}, {2: 50}) > 0.25


@pytest.mark.parametrize("answers", [50, 500, 1900, 20_000])
def test_traffic_without_drift_stays_within_what_chance_explains(answers: int) -> None:
    """Other dice than those of the allowance, many classes, as with few answers from a thousand classes."""
    reference = {each: 1.0 + each % 7 for each in range(200)}
    dice = random.Random(answers)  # noqa: S311 - the same traffic every time
    found = Counter(dice.choices(list(reference), list(reference.values()), k=answers))
    assert drift_index(found, reference) <= expected_noise(found, reference) + 0.1


def test_a_class_that_takes_a_quarter_of_few_answers_is_more_than_chance() -> None:
    reference = dict.fromkeys(range(170), 1.0)
    found = Counter(dict.fromkeys(range(100), 1)) + Counter({0: 45})
    assert drift_index(found, reference) > expected_noise(found, reference) + 0.25
