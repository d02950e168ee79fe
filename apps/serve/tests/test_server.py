from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from conftest import PictureOf, StartService

PNG = {"content-type": "image/png"}


def test_sigterm_on_an_idle_service_exits_with_0(start_service: StartService) -> None:
    with start_service() as running:
        running.sigterm()
        assert running.wait(20) == 0


def test_who_presses_ctrl_c_twice_sees_no_traceback(start_service: StartService) -> None:
    with start_service() as running:
        running.sigterm()
        while not any("Draining" in str(entry["message"]) for entry in running.log):
            running.wait(0.01)
        running.sigterm()
        assert running.wait(20) == 0
    assert [entry for entry in running.log if entry["level"] == "error"] == []


def test_whatever_hangs_the_process_ends_and_says_where(colours_path: Path) -> None:
    hang = "asyncio.to_thread(threading.Event().wait)"
    stop = f"import asyncio, sys, threading, imgcls_serve.service as s; s.Service.stop = lambda self: {hang}"
    start = f"sys.argv[1:] = [{str(colours_path)!r}]; from imgcls_serve.cli import main; main()"
    environment = {**os.environ, "IMGCLS_PORT": "0", "IMGCLS_PROVIDER": "cpu"}
    command = [sys.executable, "-c", f"{stop}\n{start}"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as hanging:
        assert hanging.stdout is not None
        assert hanging.stderr is not None
        for awaited in ("Ready", "Draining"):
            while awaited not in hanging.stdout.readline():
                pass
            hanging.terminate()
        told = hanging.stderr.read()
        assert hanging.wait(60) == 1
    assert "most recent call first" in told


def test_sigterm_answers_everything_accepted_and_takes_nothing_new(
    start_service: StartService, picture_of: PictureOf
) -> None:
    """A sender that is half through its body when SIGTERM comes still gets its answer."""
    image = picture_of("cyan")
    with start_service() as running:
        host, port = running.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 20) as sender:
            sender.sendall(
                b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
                b"Content-Length: %d\r\n\r\n" % len(image) + image[:50]
            )
            # It was accepted once the service counts it; a request after it has then been read after it.
            assert running.client.get("/health").status_code == 200
            running.sigterm()
            while (late := running.client.get("/ready")).status_code == 200:
                pass
            assert late.json()["code"] == "not_ready"
            assert late.headers["connection"] == "close"
            refused = running.client.post("/predict", content=image, headers=PNG)
            assert (refused.status_code, refused.headers["connection"]) == (503, "close")
            with socket.create_connection((host, int(port)), 20) as half_sent:
                # The answer must outlive the rest of a body that nobody wants.
                half_sent.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n" + bytes(9000))
                answer = half_sent.recv(10_000)
                half_sent.sendall(bytes(491_000))
                answer += b"".join(iter(lambda: half_sent.recv(10_000), b""))
                assert answer.startswith(b"HTTP/1.1 503 ")
                assert answer.endswith(b"}")
            sender.sendall(image[50:])
            answer = b"".join(iter(lambda: sender.recv(10_000), b""))
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b'"label":"cyan"' in answer
        assert running.wait(20) == 0


def test_sigterm_with_many_in_flight_answers_all(start_service: StartService, picture_of: PictureOf) -> None:
    image = picture_of("yellow", size=(1500, 1500))

    async def burst(url: str, sigterm: Callable[[], None]) -> list[int]:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:
            tasks = [asyncio.create_task(client.post("/predict", content=image, headers=PNG)) for _ in range(64)]
            first, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            assert first
            sigterm()
            return [(await task).status_code for task in tasks]

    with start_service(request_timeout_ms=60_000) as running:
        statuses = asyncio.run(burst(running.url, running.sigterm))
        assert set(statuses) <= {200, 503}
        assert running.wait(20) == 0
        accepted = [entry for entry in running.log if entry.get("class_id") is not None]
        assert statuses.count(200) == len(accepted) > 1
