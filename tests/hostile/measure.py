"""Sends the corpus to a running service and prints what each costs, as a table.

    imgcls-serve tests/data/colours.onnx &
    python tests/hostile/measure.py http://127.0.0.1:8192

Beside each one normal photos are sent one after the other; the slowest of them tells what the next caller sees.
"""

from __future__ import annotations

import io
import sys
import threading
import time

import httpx
from hostile_images import IMAGES
from hostile_requests import REQUESTS, HostileRequest
from PIL import Image


def measured(url: str, name: str, request: HostileRequest) -> str:
    """Gives one row: status, seconds, the slowest photo meanwhile, and how much the process grew at most."""
    buffer = io.BytesIO()
    Image.new("RGB", (640, 480), (255, 0, 0)).save(buffer, "JPEG")
    with httpx.Client(base_url=url, timeout=120) as client, httpx.Client(base_url=url, timeout=120) as other:

        def held() -> float:
            return other.get("/health").json()["memory"]["process_rss"] / 1e6

        answers: list[tuple[int, float]] = []

        def attack() -> None:
            began_s = time.perf_counter()
            answer = client.post(request.path, content=request.body, headers=dict(request.headers))
            answers.append((answer.status_code, time.perf_counter() - began_s))

        before_mb = held()
        grown_mb = slowest_s = 0.0
        attacker = threading.Thread(target=attack)
        attacker.start()
        while attacker.is_alive() or not slowest_s:
            began_s = time.perf_counter()
            photo = other.post("/predict", content=buffer.getvalue(), headers={"content-type": "image/jpeg"})
            assert photo.status_code == 200, photo.text
            slowest_s = max(slowest_s, time.perf_counter() - began_s)
            grown_mb = max(grown_mb, held() - before_mb)
        ((status, took_s),) = answers
    cells = (name, f"{len(request.body):,}", status, f"{took_s:.2f}", f"{slowest_s:.2f}", f"{grown_mb:.0f}")
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Prints the table."""
    write = sys.stdout.write
    write("| what | bytes | status | s | slowest photo, s | MB |\n|---|---|---|---|---|---|\n")
    for name, make in IMAGES.items():
        image = HostileRequest("/predict", make(), frozenset(), (("content-type", "image/x"),))
        write(f"{measured(sys.argv[1], f'`{name}`', image)}\n")
    for name, make_request in REQUESTS.items():
        write(f"{measured(sys.argv[1], f'`{name}`', make_request())}\n")


if __name__ == "__main__":
    main()
