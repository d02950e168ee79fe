"""`imgcls-client monitor report` and the figures it draws from many passes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from imgcls_client.monitor.history import History
from imgcls_client.monitor.observation import CallSeen, Observation
from msgspec.structs import replace

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
    assert 'class="shade' in page
    assert "66.67%" in page
    assert "<dt>outages</dt>" in page
    assert "<script" not in page
    assert "://" not in page.replace(service.url, "")
    summary = (tmp_path / "s.md").read_text(encoding="utf-8")
    assert summary == ended.stdout
    assert "a call takes" in summary


def test_an_open_alert_is_shown_until_it_recovers(run: Run, service: StandIn, tmp_path: Path) -> None:
    database = ("--database", tmp_path / "m.sqlite")
    report = ("monitor", "report", *database, "--html", tmp_path / "r.html")
    run("monitor", "--url", service.url, *database, "--model-sha256", "abc")
    assert "failing" in run(*report).stdout
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert f"the model is {'5' * 12}…, expected abc" in page
    run("monitor", "--url", service.url, *database)
    assert "healthy" in run(*report).stdout


def test_every_chart_of_the_report_is_well_formed(run: Run, service: StandIn, tmp_path: Path) -> None:
    run("monitor", "--url", service.url, "--database", tmp_path / "m.sqlite", "--every", "0.1s", "--for", "0.3s")
    run("monitor", "report", "--database", tmp_path / "m.sqlite", "--html", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    charts = page.split("<svg")[1:]
    assert len(charts) >= 4
    for chart in charts:
        ElementTree.fromstring("<svg" + chart.split("</svg>")[0] + "</svg>")  # noqa: S314 - our own page


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
    assert (first.end - first.start).total_seconds() == 20
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
