"""The page in a real browser: Debian's Chromium, where it is installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import PictureOf, RunningService, StartService

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright: Any = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium")
    with playwright.sync_playwright() as runner:
        launched = runner.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Any, service: RunningService) -> Iterator[Any]:
    opened = browser.new_page()
    faults: list[object] = []

    def note(fault: object) -> None:
        faults.append(fault)

    opened.on("pageerror", note)
    opened.goto(service.url)
    yield opened
    opened.close()
    assert faults == []


def image(name: str, content: bytes) -> dict[str, Any]:
    return {"name": name, "mimeType": "image/png", "buffer": content}


def first_label(page: Any) -> str:
    return str(page.locator("#top li .line span").first.inner_text())


def test_a_chosen_picture_is_classified(page: Any, picture_of: PictureOf) -> None:
    page.set_input_files("#file", image("red.png", picture_of("red")))
    page.wait_for_selector("#top li")
    assert first_label(page).startswith("red")
    assert page.locator("#top li").count() == 5
    assert page.locator("#top .share").first.inner_text().endswith("%")
    assert page.locator("#preview").get_attribute("alt") == "red.png"
    times = page.locator("#times").inner_text()
    for stage in ("Decode", "Queue", "Inference", "Round trip", "colours"):
        assert stage in times
    assert "8 classes" in page.locator("#service").inner_text()


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_dropped_or_pasted_picture_is_classified(page: Any, picture_of: PictureOf, kind: str) -> None:
    script = """([kind, bytes]) => {
        const carried = new DataTransfer();
        carried.items.add(new File([new Uint8Array(bytes)], "a.png", {type: "image/png"}));
        const event = kind === "drop"
            ? new DragEvent("drop", {dataTransfer: carried, bubbles: true})
            : new ClipboardEvent("paste", {clipboardData: carried, bubbles: true});
        document.getElementById("drop").dispatchEvent(event);
    }"""
    page.evaluate(script, [kind, list(picture_of("blue"))])
    page.wait_for_selector("#top li")
    assert first_label(page).startswith("blue")


def test_the_models_own_examples_can_be_tried_with_the_keyboard_alone(page: Any) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "file"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "example"
    page.keyboard.press("Enter")
    page.wait_for_selector("#top li")
    assert first_label(page)


def test_a_file_that_is_no_image_is_told_in_a_sentence(page: Any) -> None:
    page.set_input_files("#file", image("a.png", b"only text"))
    error = page.locator("#error")
    error.wait_for()
    assert error.inner_text().startswith("The image cannot be decoded: it is none of JPEG, PNG")
    assert error.get_attribute("role") == "alert"
    assert page.locator("#top li").count() == 0


def test_nothing_is_asked_of_another_host(page: Any, service: RunningService) -> None:
    page.wait_for_selector("#service:has-text('colours')")
    names = page.evaluate("performance.getEntriesByType('resource').map(one => one.name)")
    assert names
    assert all(name.startswith((service.url, "blob:")) for name in names)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_without_scrolling_sideways(
    browser: Any, service: RunningService, picture_of: PictureOf, tmp_path: Path, scheme: str
) -> None:
    opened = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    opened.goto(service.url)
    opened.set_input_files("#file", image("red.png", picture_of("red")))
    opened.wait_for_selector("#top li")
    assert opened.evaluate("document.documentElement.scrollWidth") <= 360
    ground = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 200) == (scheme == "dark")
    opened.screenshot(path=tmp_path / "page.png")
    opened.close()


def test_a_key_is_asked_for_and_used(browser: Any, start_service: StartService, picture_of: PictureOf) -> None:
    with start_service(api_keys="caller-key-1") as running:
        opened = browser.new_page()
        opened.goto(running.url)
        opened.set_input_files("#file", image("red.png", picture_of("red")))
        opened.wait_for_selector("#key")
        opened.fill("#key", "caller-key-1")
        opened.keyboard.press("Enter")
        opened.wait_for_selector("#top li")
        assert first_label(opened).startswith("red")
        assert not opened.is_visible("#key-form")
        opened.close()


def test_the_api_page_lists_the_routes(browser: Any, service: RunningService) -> None:
    opened = browser.new_page()
    opened.goto(f"{service.url}/docs")
    opened.wait_for_selector("details")
    assert "POST /predict" in opened.locator("#routes").inner_text()
    opened.close()


def test_pages_forbid_what_they_do_not_need(service: RunningService) -> None:
    for path in ("/", "/docs", "/assets/page.js"):
        headers = service.client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
    assert service.client.get("/assets/settings.py").status_code == 404
