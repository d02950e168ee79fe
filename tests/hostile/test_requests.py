"""While a request that is costly to read is sent, a normal image is answered within a second, and memory stays."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator

import httpx
import pytest
from hostile_requests import REQUESTS
from imgcls_testing.service import StartService
from PIL import Image

# A body of 27 MB, the text and the bytes in it, twice.
MAX_GROWTH_BYTES = 200_000_000


@pytest.fixture(scope="module")
def running(start_service: StartService) -> Iterator[httpx.Client]:
    with start_service() as service:
        yield service.client


@pytest.mark.parametrize("name", REQUESTS)
def test_a_costly_request_holds_up_nobody(running: httpx.Client, name: str) -> None:
    request = REQUESTS[name]()
    buffer = io.BytesIO()
    Image.new("RGB", (640, 480), (255, 0, 0)).save(buffer, "JPEG")
    before = running.get("/health").json()["memory"]["process_rss"]
    answers: list[httpx.Response] = []

    def attack() -> None:
        with httpx.Client(base_url=running.base_url, timeout=60) as attacker:
            answers.append(attacker.post(request.path, content=request.body, headers=dict(request.headers)))

    attackers = [threading.Thread(target=attack) for _ in range(2)]
    for one in attackers:
        one.start()
    while True:
        headers = {"content-type": "image/jpeg", "x-request-timeout-ms": "1000"}
        answer = running.post("/predict", content=buffer.getvalue(), headers=headers, timeout=2)
        assert (answer.status_code, answer.json().get("label")) == (200, "red")
        for one in attackers:
            one.join(0.05)
        if not any(one.is_alive() for one in attackers):
            break
    assert {answer.status_code for answer in answers} <= request.statuses, [answer.text for answer in answers]
    for answer in answers:
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.content) < 2000
    assert running.get("/health").json()["memory"]["process_rss"] - before < MAX_GROWTH_BYTES
