"""The page in a real browser: Debian's Chromium, where it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
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
    assert "This browser cannot show it" in page.locator("#hint").inner_text()
    assert page.locator("#top li").count() == 0


def test_an_image_that_is_too_large_is_not_sent(browser: Any, start_service: StartService) -> None:
    with start_service(max_image_bytes=1000) as running:
        opened = browser.new_page()
        opened.goto(running.url)
        opened.set_input_files("#file", image("big.png", bytes(2_000_000)))
        opened.wait_for_selector("#error:not([hidden])")
        assert "big.png has 2.0 MB; this service takes images of up to 0.0 MB" in opened.locator("#error").inner_text()
        names = opened.evaluate("performance.getEntriesByType('resource').map(one => one.name)")
        assert not [name for name in names if "predict" in name]
        opened.close()


def test_the_page_is_named_after_its_model_and_shows_every_class(page: Any, picture_of: PictureOf) -> None:
    page.set_input_files("#file", image("red.png", picture_of("red")))
    page.wait_for_selector("#top li")
    assert page.title() == "colours · imgcls"
    page.click("#all summary")
    page.wait_for_selector("#classes li")
    assert page.locator("#classes li").count() == 8
    page.fill("#search", "blu")
    page.wait_for_selector("#found:has-text('1 of 8 classes')")
    assert page.locator("#classes li").inner_text().startswith("blue")


def test_the_code_that_it_shows_runs(
    page: Any, picture_of: PictureOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "red.png").write_bytes(picture_of("red"))
    page.set_input_files("#file", tmp_path / "red.png")
    page.wait_for_selector("#top li")
    monkeypatch.chdir(tmp_path)
    curl = page.locator("#curl").text_content()
    done = subprocess.run(["/bin/bash", "-c", curl], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["label"] == "red"
    assert page.locator("#python").text_content().count("\n") == 5


def test_several_models_can_be_picked(
    browser: Any, start_service: StartService, picture_of: PictureOf, colours_path: Path, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        shutil.copy(colours_path, tmp_path / f"{name}.onnx")
    with start_service(models_dir=tmp_path, admin_token="admin-token-1") as running:  # noqa: S106 - of this test
        for name in ("first", "second"):
            loaded = running.client.post(f"/models/{name}/load", headers={"X-API-Key": "admin-token-1"})
            assert loaded.status_code == 200
        opened = browser.new_page()
        opened.goto(running.url)
        opened.wait_for_selector("#model option", state="attached")
        opened.select_option("#model", "second")
        opened.set_input_files("#file", image("red.png", picture_of("red")))
        opened.wait_for_selector("#top li")
        assert "second" in opened.locator("#times").inner_text()
        assert "model=second" in opened.locator("#curl").text_content()
        assert opened.title() == "second · imgcls"
        opened.close()


def test_terms_of_the_weights_are_on_the_page(browser: Any, start_service: StartService) -> None:
    from imgcls_everyday100 import ARTIFACT

    with start_service(model=ARTIFACT) as running:
        opened = browser.new_page()
        opened.goto(running.url)
        opened.wait_for_selector("#terms:has-text('non-commercial')")
        opened.close()


def test_nothing_is_asked_of_another_host(page: Any, service: RunningService) -> None:
    page.wait_for_selector("#name:has-text('colours')")
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
    for summary in opened.locator("#more summary").all():
        summary.click()
    opened.wait_for_selector("#classes li")
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
    assert "Classifies one image" in opened.locator("#routes summary").first.inner_text()
    assert opened.locator("#routes > section > h2").all_inner_texts()[0].lower() == "classification"
    opened.close()


def test_a_route_can_be_tried_on_the_api_page(browser: Any, service: RunningService, picture_of: PictureOf) -> None:
    opened = browser.new_page()
    opened.goto(f"{service.url}/docs")
    predict = opened.locator("#routes section > details").first
    predict.locator("summary").first.click()
    predict.locator("summary", has_text="Try it").click()
    predict.locator("input[type=file]").set_input_files(image("red.png", picture_of("red")))
    predict.locator("input[name=top_k]").fill("2")
    predict.get_by_role("button", name="Send").click()
    predict.locator("form pre", has_text='"label": "red"').wait_for()
    opened.close()


def test_pages_forbid_what_they_do_not_need(service: RunningService) -> None:
    for path in ("/", "/docs", "/assets/page.js"):
        headers = service.client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
    assert service.client.get("/assets/settings.py").status_code == 404
