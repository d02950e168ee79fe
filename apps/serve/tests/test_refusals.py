"""What a full queue refuses costs little, and is refused as everything is."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec
import pytest
from imgcls_contract import ProblemDocument
from imgcls_serve.observing.request_lines import RequestLines

if TYPE_CHECKING:
    from conftest import PictureOf, RunningService, StartService

KEY = "right-key-1"
REFUSED = 'imgcls_requests_total{code="queue_full",route="/predict",status="503"}'


class Caller:
    """A connection whose answers are read one by one."""

    def __init__(self, running: RunningService) -> None:
        host, port = running.url.removeprefix("http://").split(":")
        self.socket = socket.create_connection((host, int(port)), 20)
        self._stream = self.socket.makefile("rb")

    def ask(self, body: bytes, *, version: str = "1.1", query: str = "", announced: int = 0, **headers: str) -> None:
        fields = {"Host": "x", "Content-Type": "image/png", "X-API-Key": KEY} | headers
        fields["Content-Length"] = str(announced or len(body))
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        self.socket.sendall(f"POST /predict{query} HTTP/{version}\r\n{lines}\r\n".encode() + body)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        status = int(self._stream.readline().split()[1])
        headers = dict(line.decode().strip().lower().split(": ", 1) for line in iter(self._stream.readline, b"\r\n"))
        return status, headers, self._stream.read(int(headers["content-length"]))

    def close(self) -> None:
        self._stream.close()
        self.socket.close()

    def is_at_end(self) -> bool:
        return not self._stream.read(1)


@pytest.fixture(scope="module")
def call(start_service: StartService, picture_of: PictureOf) -> Iterator[Callable[[], Caller]]:
    """Connects to a service whose queue has been filled with images that take their time."""
    slow = picture_of("red", size=(4000, 4000))
    settings = {"queue_size": 32, "threads": 1, "api_keys": KEY, "request_timeout_ms": 60_000}
    with start_service(**settings) as running, contextlib.ExitStack() as stack:

        def connected() -> Caller:
            caller = Caller(running)
            stack.callback(caller.close)
            return caller

        for _ in range(40):
            connected().ask(slow)
        while REFUSED not in running.client.get("/metrics", headers={"x-api-key": KEY}).text:
            pass
        yield connected


def test_a_refusal_needs_the_head_alone_and_leaves_the_connection_as_it_was(call: Callable[[], Caller]) -> None:
    caller = call()
    for number in range(3):
        caller.ask(b"", announced=5, query="?top_k=1", X_Request_Id=f"mine-{number}")
        status, headers, body = caller.answer()
        assert (status, headers["content-type"]) == (503, "application/problem+json")
        assert headers["x-request-id"] == f"mine-{number}"
        assert int(headers["retry-after"]) >= 1
        problem = msgspec.json.decode(body, type=ProblemDocument, strict=True)
        assert (problem.code, problem.request_id) == ("queue_full", f"mine-{number}")
        caller.socket.sendall(b"12345")  # the body, late
    caller.socket.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert caller.answer()[0] == 200


def test_refusals_that_were_sent_together_come_in_order(call: Callable[[], Caller]) -> None:
    caller = call()
    caller.socket.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    for number in range(20):
        caller.ask(b"12345", X_Request_Id=f"number-{number}")
    assert caller.answer()[0] == 200
    assert [caller.answer()[1]["x-request-id"] for _ in range(20)] == [f"number-{number}" for number in range(20)]


def test_what_is_wrong_otherwise_is_said_first(call: Callable[[], Caller]) -> None:
    for status, headers in (
        (403, {"X_API_Key": "wrong-key-1"}),
        (422, {"X_Request_Timeout_Ms": "soon"}),
    ):
        caller = call()
        caller.ask(b"12345", **headers)
        assert caller.answer()[0] == status


def test_a_caller_of_http_1_0_is_refused_and_the_connection_ends(call: Callable[[], Caller]) -> None:
    caller = call()
    caller.ask(b"12345", version="1.0")
    assert caller.answer()[0] == 503
    assert caller.is_at_end()


def test_of_many_refusals_some_have_a_line_and_all_are_counted(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "imgcls_serve")
    seconds = 7.0
    lines = RequestLines(for_people=False, clock=lambda: seconds)
    refusal = {"method": "POST", "path": "/predict", "request_id": "x", "status": 503, "code": "queue_full"}
    for _ in range(30):
        lines.write(dict(refusal))
    lines.write({**refusal, "status": 200, "code": None})
    seconds = 8.0
    lines.write(dict(refusal))
    lines.write(dict(refusal))
    written = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["status"] for line in written] == [503] * 10 + [200] + [503] * 2
    assert [line.get("refusals_left_out") for line in written] == [None] * 11 + [20, None]
