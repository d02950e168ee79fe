"""A page in Debian's Chromium, where it is installed: on a phone nothing is cut, and what failed comes first."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from imgcls_report import Cell, Column, Row, Tone, page, row_filter, section, table

_COLUMNS = (
    Column("test", width=20),
    Column("result", width=10),
    Column("time", "number", 10),
    Column("proves", width=30),
    Column("what was seen", width=30),
)
_ENDLESS = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
_RTL = "קליפת תפוז"


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    playwright: Any = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if (chromium := shutil.which("chromium")) is None:
        pytest.skip("there is no chromium")
    outcomes: tuple[tuple[str, Tone], ...] = (("passed", "good"), ("failed", "bad"))
    rows = [
        Row((name, Cell(outcome, tone), "3 ms", _ENDLESS, name), tone)
        for name in ("top_k", _ENDLESS, _RTL)
        for outcome, tone in outcomes
    ]
    bars = [(name, "12", Cell(bars=(0.5,))) for name in (_ENDLESS, _RTL)]
    body = [
        row_filter({"bad": 3, "good": 3}),
        section("group", table(_COLUMNS, rows)),
        section("classes", table(("class", Column("images", "number"), Column("", "bars")), bars)),
    ]
    file: Path = tmp_path_factory.mktemp("page") / "page.html"
    file.write_text(page("imgcls suite", _ENDLESS, body, date=datetime.now(UTC)), encoding="utf-8")
    with playwright.sync_playwright() as runner:
        browser = runner.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 375, "height": 800})
        opened.goto(file.as_uri())
        yield opened
        browser.close()


def test_on_a_phone_nothing_is_cut_and_no_text_is_squeezed(phone: Any) -> None:
    assert phone.evaluate("document.documentElement.scrollWidth") <= 375
    assert phone.evaluate("[...document.querySelectorAll('.wrap')].every(box => box.scrollWidth <= box.clientWidth)")
    proofs = "[...document.querySelectorAll('.is-bad td:nth-child(4) span')]"
    widths = phone.evaluate(f"{proofs}.map(each => each.getBoundingClientRect().width)")
    assert len(widths) == 3
    assert min(widths) > 150


def test_the_page_opens_with_what_failed_and_shows_the_rest_on_request(phone: Any) -> None:
    assert phone.locator("tr.is-bad:visible").count() == 3
    assert phone.locator("tr.is-good:visible").count() == 0
    phone.get_by_label("all (6)").check()
    assert phone.locator("tr.is-good:visible").count() == 3
