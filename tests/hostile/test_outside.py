"""Whatever is asked of a server outside ends within its bounds of time and bytes, and in one sentence."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import huggingface_hub.constants
import pytest
from imgcls_batch.sources.entry import Entry
from imgcls_batch.sources.reading import ImageReader
from imgcls_batch.sources.uri_list import listed_entries
from imgcls_cerebrium.address import CerebriumApp
from imgcls_cerebrium.rest_api import CerebriumApi
from imgcls_cli.progress import SilentProgress
from imgcls_client.monitor.alerts import Alerting
from imgcls_client.monitor.rules import AlertTransition
from imgcls_client.predict.image_sources import find_images
from imgcls_contract.bounds import Bounds
from imgcls_networks.models import hub
from imgcls_networks.weights.download import fetch
from imgcls_networks.weights.source import WeightsSource

SMALL = Bounds(0.7, 1 << 20)
COMMIT = "0123456789012345678901234567890123456789"
HEAD = f'HTTP/1.1 200 OK\r\nETag: "etag"\r\nX-Repo-Commit: {COMMIT}\r\n'.encode()
Send = Callable[[bytes], None]

# Each asker of ours must end by itself: nothing below would.
pytestmark = pytest.mark.timeout(60)


def trickled_body(send: Send) -> None:
    send(HEAD + b"Content-Length: 1000000\r\n\r\n")
    _again(send, b" ", 0.1)


def trickled_headers(send: Send) -> None:
    send(HEAD)
    _again(send, b"X-More: 1\r\n", 0.1)


def endless_headers(send: Send) -> None:
    send(HEAD)
    _again(send, b"X-More: " + b"1" * 8000 + b"\r\n", 0)


def endless_continue(send: Send) -> None:
    _again(send, b"HTTP/1.1 100 Continue\r\n\r\n", 0.05)


def endless_body(send: Send) -> None:
    send(HEAD + b"Content-Length: 6000000000\r\n\r\n")
    _again(send, b" " * 65_536, 0)


def gzip_bomb(send: Send) -> None:
    bomb = gzip.compress(bytes(50 << 20))
    send(HEAD + f"Content-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode() + bomb)


def endless_list(send: Send) -> None:
    send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    _again(send, b"4000\r\n" + b"https://images.example.org/1.jp\n" * 512 + b"\r\n", 0)


def _again(send: Send, content: bytes, pause_s: float) -> None:
    while True:
        send(content)
        time.sleep(pause_s)


@pytest.fixture
def speak() -> Iterator[Callable[[Callable[[Send], None]], str]]:
    """Starts a server that reads a request and then says what the function says, until the caller has gone."""
    listeners: list[socket.socket] = []

    def start(say: Callable[[Send], None]) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def answer(caller: socket.socket) -> None:
            with caller, suppress(OSError):
                caller.settimeout(10)
                if caller.recv(65_536).startswith(b"HEAD"):  # a body would be read as the next answer
                    caller.sendall(HEAD + b"Connection: close\r\n\r\n")
                    return
                say(caller.sendall)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def a_webhook(url: str, _: Path) -> str:
    now = datetime.now(UTC)
    return "; ".join(Alerting(webhook=f"{url}/secret").tell(AlertTransition("up", "broken", "down", now), url))


def weights(url: str, folder: Path) -> str:
    return _sentence(lambda: fetch([WeightsSource(f"{url}/w.pth")], what="w", progress=SilentProgress(), folder=folder))


def the_platform(url: str, _: Path) -> str:
    with CerebriumApi(CerebriumApp("p-1234abcd", "app"), "token", rest_url=url) as api:
        return _sentence(api.state)


def the_hub(_: str, __: Path) -> str:
    return _sentence(lambda: hub.fetch_configuration("owner/name", None))


def an_image(url: str, _: Path) -> str:
    return _sentence(next(iter(find_images([f"{url}/1.jpg"]))).read)


def an_image_in_bulk(url: str, _: Path) -> str:
    return _sentence(lambda: ImageReader(max_bytes=1 << 20, timeout_s=0.7).read(Entry(f"{url}/1.jpg")))


def _sentence(ask: Callable[[], object]) -> str:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - each has an error of its own
        ask()
    assert raised.type.__module__.startswith("imgcls_")
    return str(raised.value)


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (
        "client.monitor.alerts.SHORT_ANSWER",
        "cerebrium.rest_api.SHORT_ANSWER",
        "networks.models.hub.SHORT_ANSWER",
        "networks.weights.download.WEIGHTS",
        "client.predict.image_sources.IMAGE",
        "batch.sources.uri_list.LISTING",
    ):
        monkeypatch.setattr(f"imgcls_{place}", SMALL)


@pytest.mark.parametrize(
    "say", [trickled_body, trickled_headers, endless_headers, endless_continue, endless_body, gzip_bomb]
)
@pytest.mark.parametrize("ask", [a_webhook, weights, the_platform, the_hub, an_image, an_image_in_bulk])
def test_no_server_holds_a_caller_or_fills_the_machine(
    speak: Callable[[Callable[[Send], None]], str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    ask: Callable[[str, Path], str],
    say: Callable[[Send], None],
) -> None:
    url = speak(say)
    constants = huggingface_hub.constants
    for name, value in {
        "HF_HUB_CACHE": str(tmp_path / "hub"),
        "ENDPOINT": url,
        "HUGGINGFACE_CO_URL_TEMPLATE": url + "/{repo_id}/resolve/{revision}/{filename}",
    }.items():
        monkeypatch.setattr(constants, name, value)
    said = ask(url, tmp_path)
    assert "\n" not in said
    if ask is a_webhook:
        assert "secret" not in said
        assert said or say in (trickled_body, endless_body)  # which nobody reads
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) <= 2 * SMALL.most_bytes


def test_a_list_without_end_is_refused(
    speak: Callable[[Callable[[Send], None]], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgcls_batch.sources.uri_list.LISTING", Bounds(30, SMALL.most_bytes))  # its size comes first
    said = _sentence(lambda: list(listed_entries(f"{speak(endless_list)}/list.txt", column=None)))
    assert "cannot be read: it is longer than 1 MiB" in said
