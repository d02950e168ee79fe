"""While an image that is costly to decode is sent, a normal one is answered within a second, and memory stays."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hostile_images import IMAGES, PIXELS
from imgcls_testing.service import StartService
from PIL import Image

COLOURS = Path(__file__).parents[1] / "data" / "colours.onnx"
# Two bodies of 20 MB, what their connections hold of them, and the copy for the process that decodes.
MAX_GROWTH_BYTES = 150_000_000
STATUSES = {200, 400, 413, 503, 504}


def held_bytes(client: httpx.Client) -> int:
    return client.get("/health").json()["memory"]["process_rss"]


@pytest.fixture(scope="module")
def running(start_service: StartService) -> Iterator[httpx.Client]:
    with start_service(model=COLOURS) as service:
        yield service.client


@pytest.mark.parametrize("name", IMAGES)
def test_a_costly_image_holds_up_nobody(running: httpx.Client, name: str) -> None:
    """The normal image has a deadline of a second, which the service keeps by itself: it answers 504 beyond."""
    file = IMAGES[name]()
    assert len(file) <= 20_000_000
    buffer = io.BytesIO()
    Image.new("RGB", (640, 480), (255, 0, 0)).save(buffer, "JPEG")
    photo = buffer.getvalue()
    before = held_bytes(running)
    answers: list[httpx.Response] = []

    def attack() -> None:
        with httpx.Client(base_url=running.base_url, timeout=60) as attacker:
            answers.append(attacker.post("/predict", content=file, headers={"content-type": "image/x"}))

    attackers = [threading.Thread(target=attack) for _ in range(2)]
    for one in attackers:
        one.start()
    while True:
        headers = {"content-type": "image/jpeg", "x-request-timeout-ms": "1000"}
        answer = running.post("/predict", content=photo, headers=headers)
        assert (answer.status_code, answer.json().get("label")) == (200, "red")
        for one in attackers:
            one.join(0.05)
        if not any(one.is_alive() for one in attackers):
            break
    assert {answer.status_code for answer in answers} <= STATUSES, [answer.text for answer in answers]
    assert held_bytes(running) - before < MAX_GROWTH_BYTES


def test_the_corpus_keeps_within_the_limit_of_pixels() -> None:
    """Otherwise it would be refused by its size, and what it attacks would stay untested."""
    assert PIXELS < 25_000_000
