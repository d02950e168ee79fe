"""One address takes all connections and reads none of its answers; others are served, and memory stays."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import httpx
from imgcls_testing.service import StartService

COLOURS = Path(__file__).parents[1] / "data" / "colours.onnx"
CONNECTIONS = 100
# An answer of 260 KB for each would be 26 MB, were it not held once.
MAX_GROWTH_BYTES = 20_000_000
ASK = b"GET /golden HTTP/1.1\r\nHost: x\r\n\r\n"


def test_unread_answers_hold_up_nobody(start_service: StartService) -> None:
    with start_service(model=COLOURS, max_connections=CONNECTIONS) as running, contextlib.ExitStack() as stack:
        host, port = running.url.removeprefix("http://").split(":")
        before = running.client.get("/health").json()["memory"]["process_rss"]
        running.client.close()
        for _ in range(CONNECTIONS + 10):
            attacker = stack.enter_context(socket.socket())
            attacker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            attacker.connect((host, int(port)))
            with contextlib.suppress(OSError):  # it has made way for the next
                attacker.sendall(ASK * 5)
        with httpx.Client(
            base_url=running.url, transport=httpx.HTTPTransport(local_address="127.0.0.2"), timeout=20
        ) as other:
            for _ in range(5):
                health = other.get("/health", headers={"connection": "close"})
                assert health.status_code == 200
                assert health.json()["memory"]["process_rss"] - before < MAX_GROWTH_BYTES
