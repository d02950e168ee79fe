"""The stand-in service, other servers on loopback, and the command as a user would run it."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

# pytest imports test files without their folder on the path, so that those of different members do not collide.
sys.path.insert(0, str(Path(__file__).parent))
try:
    from stand_in import GOLDEN, OPENAPI, Faults, Refusal, Request, StandIn
finally:
    sys.path.pop(0)

__all__ = ["OPENAPI", "Faults", "Refusal", "Request", "StandIn"]


class WebServer:
    """A web server that has one image at every path."""

    def __init__(self, content: bytes) -> None:
        self.requests: list[Request] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                web.requests.append(Request("GET", self.path, {}, headers, b""))
                self.send_response(200)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/a.png"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


Serve = Callable[..., StandIn]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a stand-in with the faults named."""
    running: list[StandIn] = []

    def start(**faults: Any) -> StandIn:
        service = StandIn(Faults(**faults)).__enter__()
        running.append(service)
        return service

    yield start
    for service in running:
        service.__exit__()


@pytest.fixture
def service(serve: Serve) -> StandIn:
    """Start a healthy stand-in."""
    return serve()


@pytest.fixture
def web() -> Iterator[Callable[[bytes], WebServer]]:
    """Serve one image at an address of its own."""
    running: list[WebServer] = []

    def start(content: bytes) -> WebServer:
        running.append(WebServer(content))
        return running[-1]

    yield start
    for server in running:
        server.close()


@pytest.fixture
def refusal() -> type[Refusal]:
    """Raise it from a fault to answer with a problem document."""
    return Refusal


@pytest.fixture
def image() -> bytes:
    """Give one encoded image."""
    return GOLDEN["golden-0.png"]


@pytest.fixture
def golden_images() -> dict[str, bytes]:
    """Give every golden image of the stand-in by name."""
    return GOLDEN


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    exit_code: int
    stdout: str
    stderr: str


Run = Callable[..., Ended]


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """Run a command as a user would, in this process, with no settings but those given."""
    from imgcls_client.cli import program

    for name in [name for name in os.environ if name.startswith(("IMGCLS_", "CEREBRIUM_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("IMGCLS_CONFIG", str(tmp_path_factory.mktemp("config") / "none.toml"))

    def start(*arguments: object) -> Ended:
        exit_code = program.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ended(exit_code, captured.out, captured.err)

    return start


@pytest.fixture
def free_port() -> int:
    """Give a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
