"""Pages as a reader meets them: nothing is fetched or run, text stays text, axes are round."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from imgcls_report import (
    Bars,
    Card,
    Cell,
    Column,
    Dot,
    Dots,
    Line,
    Row,
    Shade,
    bar_chart,
    bullets,
    cards,
    chart,
    code,
    details,
    drawing,
    figures,
    heat_map,
    histogram,
    image_address,
    lines,
    log_scale,
    model_words,
    number_scale,
    page,
    paragraph,
    percentile_scale,
    row_filter,
    section,
    side_by_side,
    table,
    time_scale,
    visible,
)

EVIL = '"><script>alert(1)</script>\x1b[31m\u202e\udc80'
PNG = b"\x89PNG\r\n\x1a\n rest"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NOON = NOW.timestamp()


class _Parsed(HTMLParser):
    """Tags and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href"}]


def _everything(text: str) -> str:
    """Gives a page with every part, all of whose texts are the given one."""
    line, dots = Line(text, [(0, 1), (1, None), (2, 3), (3, 4)]), Dots(text, [Dot(1, 2, text)])
    body = [
        section(text, paragraph(text, "bad"), bullets([text]), code(text), lines([text, text]), note=text),
        figures([(text, text), (text, text, "bad")]),
        details(text, paragraph(text)),
        table([text, Column(text, "code")], [(text, text), Row((Cell(text, "good"), text), "bad")], caption=text),
        row_filter({"bad": 1, "good": 2}, {"bad": text, "good": text}),
        bar_chart(text, [(text, (1, 2))], series=(text, text), name=text, text=lambda _: text),
        cards([Card(text, PNG, [text])], note=text),
        side_by_side([chart(text, [line, dots, Shade(text, [(1, 2)])], x=number_scale(text), y=log_scale(text))]),
        histogram(text, [(text, [0.5, 0.5]), (text, [0.25, 0.75])], x_label=text),
        heat_map(text, [text, "b"], [[3, 0], [1, 2]], row_label=text, column_label=text),
    ]
    return page(text, text, body, date=NOW, model=text, facts={text: text}, machine=text, verdict=(text, "bad"))


def test_no_text_becomes_markup_and_no_control_sign_stays_hidden() -> None:
    written = _everything(EVIL)
    parsed = _Parsed(written)
    assert not {"script", "link", "iframe", "object", "base"} & set(parsed.tags)
    assert parsed.addresses == ["data:image/png;base64,iVBORw0KGgogcmVzdA=="]
    assert "\x1b" not in written
    assert "\u202e" not in written
    assert "␛[31m\\u202e\\udc80" in written
    written.encode("utf-8")
    assert len(parsed.tags) == len(_Parsed(_everything("x")).tags)


def test_the_page_forbids_scripts_and_addresses_to_itself() -> None:
    written = page("imgcls suite", "t", [], date=NOW)
    assert "default-src 'none'; img-src data:" in written
    assert "url(" not in written
    assert "@import" not in written


def test_empty_facts_are_left_out() -> None:
    written = page("k", "t", [], date=NOW, facts={"split": ""})
    assert "<dt>date</dt>" in written
    assert not {"model", "split"} & set(re.findall("<dt>(.*?)</dt>", written))


def test_every_drawing_is_well_formed_and_says_what_it_shows() -> None:
    charts = [part.split("</figure>")[0] for part in _everything("x & y").split("<figure class=")[1:]]
    figures = [ElementTree.fromstring(f"<figure class={text}</figure>") for text in charts]  # noqa: S314 - our own page
    drawings = [drawing for figure in figures for drawing in figure.iterfind(".//svg[@role='img']")]
    assert [(each.get("aria-label"), each.findtext("title")) for each in drawings] == [("x & y", "x & y")] * 3


def test_charts_can_be_a_file_of_their_own() -> None:
    plots = [chart(name, [Line("a", [(0, 1), (1, 2)])], x=number_scale("x"), y=number_scale("y")) for name in "pq"]
    drawn = ElementTree.fromstring(drawing("x & y", plots))  # noqa: S314 - our own
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert drawn.get("aria-label") == "x & y"
    inside = drawn.iterfind(".//{http://www.w3.org/2000/svg}svg[@role='img']")
    assert [each.get("aria-label") for each in inside] == ["p", "q"]


def test_what_is_no_number_is_not_drawn() -> None:
    nan, axes = float("nan"), {"x": number_scale("x"), "y": number_scale("y")}
    drawn = chart("t", [Line("a", [(0, 1), (1, 2), (2, nan), (3, 4), (4, 5)]), Dots("b", [Dot(1, nan)])], **axes)
    assert drawn.count("<polyline") == 2
    assert "<circle" not in drawn
    assert "nan" not in drawn + bar_chart("t", [("a", (nan,)), ("b", (2.0,))])
    assert "Waits: there is nothing to draw." in chart("waits", [Line("a", [(0, nan)])], **axes)


def test_rows_beyond_the_hundredth_are_folded_away_and_none_is_said() -> None:
    shown, _, folded = table(["class"], [(f"class {number}",) for number in range(1000)]).partition("<details>")
    assert ("class 99<" in shown, "class 100<" in shown, "class 100<" in folded) == (True, False, True)
    assert "<summary>900 more</summary>" in folded
    assert ">none</td>" in table(["class"], [])


def test_on_a_phone_an_axis_keeps_its_last_tick_and_those_with_room() -> None:
    drawn = chart("t", [Line("a", [(0, 1), (99.99, 2)])], x=percentile_scale("p"), y=number_scale("y"))
    hidden = re.findall('class="second">.*?>(p[0-9.]+)<', drawn, re.DOTALL)
    assert hidden == ["p0"]


def test_a_matrix_counts_what_has_no_column_and_writes_its_counts_where_there_is_room() -> None:
    drawn = heat_map("m", ["a", "b"], [[3, 0], [1, 2]], row_label="r", column_label="c", rest=[0, 7])
    assert "&#8296;b&#8297; → &#8296;another class&#8297;: 7" in drawn
    assert re.findall(r'class="middle count"[^>]*>(\d+)<', drawn) == ["3", "1", "2", "7"]
    names = [f"class {number}" for number in range(20)]
    assert "middle count" not in heat_map("m", names, [[1] * 20] * 20, row_label="r", column_label="c")


def test_a_missing_value_breaks_a_line() -> None:
    drawn = chart(
        "t", [Line("a", [(0, 1), (1, 2), (2, None), (3, 4), (4, 5)])], x=number_scale("x"), y=number_scale("y")
    )
    assert drawn.count("<polyline") == 2


def test_of_many_dots_the_highest_is_always_drawn() -> None:
    dots = [Dot(number, 1000.0 if number == 7777 else 1.0, f"call {number}") for number in range(20_000)]
    drawn = chart("t", [Dots("calls", dots)], x=number_scale("x"), y=number_scale("ms"))
    assert "call 7777" in drawn
    assert drawn.count("<circle") < 3200


def test_columns_stand_on_the_axis() -> None:
    drawn = chart("t", [Bars("n", [(0, 1, 5)], ["five"])], x=number_scale("x"), y=number_scale("y", high=10))
    assert 'y="50.0%" width="92.0%" height="50.0%"><title>five</title>' in drawn


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0, 87], ["0", "25", "50", "75", "100"]),
        ([3, 9_800], ["0", "2,500", "5,000", "7,500", "10,000"]),
        ([0.0, 0.9], ["0.00", "0.25", "0.50", "0.75", "1.00"]),
        ([0, 0], ["0.00", "0.25", "0.50", "0.75", "1.00"]),
        ([], ["0.00", "0.25", "0.50", "0.75", "1.00"]),
        ([0, 1.7], ["0.0", "0.5", "1.0", "1.5", "2.0"]),
    ],
)
def test_axes_of_numbers_begin_and_end_at_round_ones(values: list[float], ticks: list[str]) -> None:
    assert [tick.text for tick in number_scale("n")(values).ticks] == ticks


@given(st.lists(st.floats(-1e12, 1e12), min_size=1), st.booleans())
@example([2.225e-311], False)
@example([1e12, 1e12 + 1e-4], True)
def test_every_value_has_its_place_on_the_axis(values: list[float], is_tight: bool) -> None:
    axis = number_scale("n", low=None, is_tight=is_tight)(values)
    assert all(0 <= tick.place <= 1 for tick in axis.ticks)
    assert len(axis.ticks) <= 8
    places = [axis.place(value) for value in sorted(values)]
    assert places == sorted(places)


@given(st.floats(1, 3e9), st.floats(0, 3e8))
def test_times_have_few_ticks_in_order(first: float, span: float) -> None:
    ticks = time_scale()([first, first + span]).ticks
    assert len(ticks) <= 8
    assert [tick.place for tick in ticks] == sorted(tick.place for tick in ticks)


@pytest.mark.parametrize(
    ("span", "ticks"),
    [
        (timedelta(seconds=20), ["12:00:00", "12:00:05", "12:00:10", "12:00:15", "12:00:20"]),
        (timedelta(hours=1), ["12:00", "12:10", "12:20", "12:30", "12:40", "12:50", "13:00"]),
        (timedelta(hours=30), ["12:00", "18:00", "22 Nov", "06:00", "12:00", "18:00"]),
        (timedelta(days=6), ["22 Nov", "23 Nov", "24 Nov", "25 Nov", "26 Nov", "27 Nov"]),
        (timedelta(days=150), ["Dec 2026", "Jan 2027", "Feb 2027", "Mar 2027", "Apr 2027"]),
    ],
)
def test_times_are_written_at_full_units(span: timedelta, ticks: list[str]) -> None:
    assert [tick.text for tick in time_scale()([NOON, NOON + span.total_seconds()]).ticks] == ticks


def test_each_nine_of_a_percentile_takes_the_same_room() -> None:
    axis = percentile_scale("p")([0, 50, 99.99])
    assert [tick.text for tick in axis.ticks] == ["p0", "p50", "p90", "p99", "p99.9", "p99.99"]
    assert [round(tick.place, 2) for tick in axis.ticks] == [0, 0.08, 0.25, 0.5, 0.75, 1]
    assert axis.place(100) == 1


def test_a_logarithmic_axis_has_powers_of_ten_and_room_for_nothing() -> None:
    axis = log_scale("d", least=1e-8)([0, 3e-6])
    assert [tick.text for tick in axis.ticks] == ["1e-8", "1e-7", "1e-6", "1e-5"]
    assert [tick.text for tick in log_scale("ms")([2, 900]).ticks] == ["1", "10", "100", "1,000"]


def test_the_longest_bar_is_full_and_a_limit_can_be_given() -> None:
    rows = [("a", (5.0,)), ("b", (10.0,))]
    assert 'width="100.0%"' in bar_chart("t", rows)
    assert 'width="25.0%"' in bar_chart("t", rows, high=20)


def test_a_choice_of_rows_is_offered_only_where_there_is_one() -> None:
    assert "radio" not in row_filter({"bad": 0, "good": 3})
    assert 'id="show-bad" checked> failed (1)' in row_filter({"bad": 1, "good": 3})
    assert 'id="show-all" checked> all (4)' in row_filter({"warn": 1, "good": 3})


@pytest.mark.parametrize(
    ("begin", "media_type"),
    [(b"RIFF\0\0\0\0WEBP", "webp"), (b"\xff\xd8\xff", "jpeg"), (b"GIF89a", "gif"), (PNG, "png")],
)
def test_images_are_named_by_what_they_are(begin: bytes, media_type: str) -> None:
    assert image_address(begin).startswith(f"data:image/{media_type};base64,")


def test_other_files_are_no_images_of_a_page() -> None:
    with pytest.raises(ValueError, match="a page shows WebP, PNG, JPEG and GIF"):
        image_address(b"<svg onload=alert(1)>")


def test_every_page_tells_date_model_machine_and_versions() -> None:
    model = model_words("flowers", "ab12" * 16, "int8")
    written = page("k", "t", [], date="2026-11-21T13:00:05+01:00", model=model, machine="asked from")
    told = dict(re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", written))
    assert list(told) == ["date", "model", "asked from", "versions"]
    assert told["date"] == "2026-11-21 12:00:05 UTC"
    assert told["model"] == "flowers, int8, sha256 ab12ab12ab12…"
    assert re.search(r"\d+ cores, \d+ GB memory", told["asked from"])
    assert re.search(r"imgcls 0\.\S+ \(.*report.*\), .*Python 3\.", told["versions"])


@given(st.text())
def test_visible_text_can_be_written_and_changes_nothing_else(text: str) -> None:
    shown = visible(text)
    assert not any(ord(sign) < 0x20 and sign not in "\t\n" for sign in shown)
    assert visible(shown) == shown
    assert visible("Zürich 日本 👩‍👩‍👧") == "Zürich 日本 👩‍👩‍👧"


def test_importing_it_costs_no_template_engine() -> None:
    asked = "import sys, imgcls_report; print([m for m in ('jinja2', 'asyncio', 'numpy') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
