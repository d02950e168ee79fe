"""Fetching by URL, against real servers on loopback; which addresses are allowed is handed in."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from imgcls_serve.errors import BodyTooLargeError, UrlFailedError, UrlRefusedError
from imgcls_serve.http.url_fetch import MAX_REDIRECTS, UrlFetcher

if TYPE_CHECKING:
    from conftest import RunningService, StartService


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/image":
            self._send(200, b"the image")
        elif self.path.startswith("/to?"):
            self._send(302, b"", location=self.path[4:])
        elif self.path == "/circle":
            self._send(302, b"", location="/circle")
        elif self.path == "/short":
            self.send_response(200)
            self.send_header("content-length", "100")
            self.end_headers()
            self.wfile.write(b"the ima")
        elif self.path == "/torn":
            self.send_response(200)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"7\r\nthe ima\r\n")
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(bytes(65536))
        else:
            self._send(404, b"")

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        del format, args


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what is tested."""


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with QuietServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def fetch(url: str, *, allowed: Callable[[str], bool] = lambda address: True, timeout_s: float = 5) -> bytes:
    fetcher = UrlFetcher(max_bytes=100_000, is_allowed=lambda address: allowed(str(address)))
    try:
        return asyncio.run(fetcher.fetch(url, timeout_s=timeout_s))
    finally:
        fetcher.close()


def test_an_image_is_fetched(host: str) -> None:
    assert fetch(f"{host}/image") == b"the image"


def test_a_redirect_is_followed(host: str) -> None:
    assert fetch(f"{host}/to?/image") == b"the image"


def test_redirects_have_an_end(host: str) -> None:
    with pytest.raises(UrlFailedError, match=f"more than {MAX_REDIRECTS} times"):
        fetch(f"{host}/circle")


def test_a_redirect_to_an_address_that_is_not_allowed_is_refused(host: str) -> None:
    port = host.rsplit(":", 1)[1]
    with pytest.raises(UrlRefusedError, match="not a public address"):
        fetch(f"{host}/to?http://127.0.0.2:{port}/image", allowed=lambda address: address == "127.0.0.1")


def test_a_redirect_to_another_scheme_is_refused(host: str) -> None:
    with pytest.raises(UrlRefusedError, match="only http"):
        fetch(f"{host}/to?file:///etc/passwd")


def test_the_address_that_was_checked_is_the_one_that_is_used(host: str) -> None:
    """A name server that gives a harmless address first and an internal one after it gains nothing."""
    port = int(host.rsplit(":", 1)[1])
    answers = iter(["127.0.0.1", "10.0.0.1"])
    fetcher = UrlFetcher(
        max_bytes=100,
        is_allowed=lambda address: str(address) == "127.0.0.1",
        resolver=lambda _host, _port: next(answers),
    )
    assert asyncio.run(fetcher.fetch(f"http://rebind.test:{port}/image", timeout_s=5)) == b"the image"
    assert next(answers) == "10.0.0.1"
    fetcher.close()


def test_an_endless_body_is_cut_off(host: str) -> None:
    with pytest.raises(BodyTooLargeError):
        fetch(f"{host}/endless")


@pytest.mark.parametrize("path", ["short", "torn"])
def test_half_an_image_is_a_failure_and_no_image(host: str, path: str) -> None:
    """A host that breaks off must not be taken for one that sent a damaged image."""
    with pytest.raises(UrlFailedError):
        fetch(f"{host}/{path}")


def test_a_host_that_never_answers_is_given_up_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(UrlFailedError, match="in time"):
            fetch(url, timeout_s=0.05)


def test_another_answer_than_200_is_a_failure(host: str) -> None:
    with pytest.raises(UrlFailedError, match="answers 404"):
        fetch(f"{host}/nothing")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/a",
        "//example.org/a",
        "http://",
        "http://user:password@example.org/",
        "http://[::1",
        "http://example.org:port/",
        "http://example.org/\r\nX: y",
        "http://example.org/ä",
        "http://example.org/" + "a" * 3000,
    ],
)
def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    with pytest.raises(UrlRefusedError):
        fetch(url)


def test_urls_are_off_by_default(service: RunningService) -> None:
    reply = service.client.post("/predict", json={"image_url": "http://example.org/a.jpg"})
    assert (reply.status_code, reply.json()["code"]) == (422, "url_refused")
    assert "IMGCLS_ALLOW_URLS" in reply.json()["detail"]


def test_the_service_fetches_nothing_from_its_own_network(start_service: StartService, host: str) -> None:
    with start_service(allow_urls="true") as running:
        port = host.rsplit(":", 1)[1]
        for name in ("127.0.0.1", "localhost", "0", "2130706433", "[::ffff:127.0.0.1]"):
            reply = running.client.post("/predict", json={"image_url": f"http://{name}:{port}/image"})
            assert (reply.status_code, reply.json()["code"]) == (422, "url_refused")
            assert "127" not in reply.json()["detail"]
        images = {"images": [{"image_url": f"{host}/image"}, {"image_base64": "?"}]}
        results = running.client.post("/predict/batch", json=images).json()["results"]
        assert [result["error"]["code"] for result in results] == ["url_refused", "invalid_base64"]
