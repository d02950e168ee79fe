"""What a service, or whoever stands in its place, may send: nothing of it holds, floods or misleads a caller."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import pytest
from imgcls_client import (
    NO_RETRY,
    AnswerTimeoutError,
    AsyncImgclsClient,
    ImgclsClient,
    ImgclsClientError,
    Timeouts,
    UnexpectedAnswerError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from conftest import Run, Serve

TIMES = Timeouts(connect_s=0.2, cold_start_s=0.5, warm_s=0.5)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Say = Callable[[Callable[[bytes], None]], None]


@pytest.fixture
def speak() -> Iterator[Callable[[Say], str]]:
    """Start a server that reads a request and then says what the function says, until the caller has gone."""
    servers: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(say: Say) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        servers.append(listener)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    caller, _ = listener.accept()
                    with caller, suppress(OSError):
                        caller.settimeout(10)
                        caller.recv(65536)
                        say(caller.sendall)

        threads.append(threading.Thread(target=serve, daemon=True))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in servers:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join(10)


@pytest.fixture(params=["threads", "asyncio"])
def ask(request: pytest.FixtureRequest) -> Callable[..., object]:
    """Ask one question of a fresh client of either kind."""

    async def with_asyncio(url: str, method: str, times: Timeouts) -> object:
        async with AsyncImgclsClient(url, retry=NO_RETRY, timeouts=times) as client:
            return await cast("Awaitable[object]", getattr(client, method)())

    def start(url: str, method: str, times: Timeouts = TIMES) -> object:
        if request.param == "asyncio":
            return asyncio.run(with_asyncio(url, method, times))
        with ImgclsClient(url, retry=NO_RETRY, timeouts=times) as client:
            return getattr(client, method)()

    return start


def trickle(send: Callable[[bytes], None]) -> None:
    send(HEAD + b"Content-Length: 1000000\r\n\r\n")
    tick = threading.Event()
    while not tick.wait(0.1):
        send(b" ")


def continue_for_ever(send: Callable[[bytes], None]) -> None:
    tick = threading.Event()
    while not tick.wait(0.1):
        send(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize("say", [trickle, continue_for_ever])
def test_no_trickle_of_bytes_holds_a_caller(
    ask: Callable[[str, str], object], speak: Callable[[Say], str], say: Say
) -> None:
    with pytest.raises(AnswerTimeoutError):
        ask(speak(say), "health")


def flood(send: Callable[[bytes], None]) -> None:
    send(HEAD + b"Content-Length: 6000000000\r\n\r\n")
    while True:
        send(b" " * 2**20)


def gzip_bomb(send: Callable[[bytes], None]) -> None:
    bomb = gzip.compress(bytes(20 * 2**20))
    send(HEAD + f"Content-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode() + bomb)


@pytest.mark.parametrize(("say", "why"), [(flood, "longer than 64 MiB"), (gzip_bomb, "compressed (gzip)")])
def test_no_answer_fills_the_memory(
    ask: Callable[..., object], speak: Callable[[Say], str], say: Say, why: str
) -> None:
    with pytest.raises(UnexpectedAnswerError) as error:
        ask(speak(say), "health", Timeouts(cold_start_s=60))
    assert why in str(error.value)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"cases":' + b"[" * 100_000,
        b'{"tolerance":1e400}',
        b'{"cases":[{"top":[{"class_id":-1}]}]}',
        b"\xff",
    ],
    ids=["deep", "deep inside", "1e400", "negative id", "no text"],
)
def test_what_is_no_answer_of_imgcls_is_said_to_be_none(
    ask: Callable[[str, str], object], speak: Callable[[Say], str], body: bytes
) -> None:
    def say(send: Callable[[bytes], None]) -> None:
        send(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    with pytest.raises(UnexpectedAnswerError) as error:
        ask(speak(say), "golden")
    assert "Is this the address of an imgcls service?" in str(error.value)


@pytest.mark.parametrize("method", ["health", "ready", "golden", "models"])
def test_a_redirect_is_neither_followed_nor_believed(
    ask: Callable[[str, str], object], speak: Callable[[Say], str], method: str
) -> None:
    others: list[int] = []
    elsewhere = speak(lambda _send: others.append(1))

    def say(send: Callable[[bytes], None]) -> None:
        body = json.dumps({"status": "ok", "ready": True}).encode()
        head = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {elsewhere}\r\nContent-Length: {len(body)}\r\n\r\n"
        send(head.encode() + body)

    with pytest.raises(UnexpectedAnswerError):
        ask(speak(say), method)
    assert others == []


def test_a_broken_answer_is_an_error_of_ours(ask: Callable[[str, str], object], speak: Callable[[Say], str]) -> None:
    with pytest.raises(ImgclsClientError):
        ask(speak(lambda send: send(b"SSH-2.0-OpenSSH\r\n\r\n")), "health")


EVIL = "\x1b]0;owned\x07\x1b[2J\u202eevil"


@pytest.mark.parametrize("form", [(), ("--json",), ("--quiet",), ("--jsonl",)])
def test_no_label_reaches_a_terminal_raw(
    run: Run, serve: Serve, tmp_path: Path, image: bytes, form: tuple[str, ...]
) -> None:
    service = serve(labels=[EVIL] * 10, detail=evil)
    (tmp_path / "a.png").write_bytes(image)
    (tmp_path / f"b{EVIL.replace('/', '')}.png").write_bytes(b"no image")
    ended = run("predict", "--url", service.url, tmp_path, *form)
    for text in (ended.stdout, ended.stderr):
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
    if form == ("--json",):
        labels = {row.get("label") for row in json.loads(ended.stdout)["results"]}
        assert EVIL in labels


def test_neither_golden_cases_nor_the_suite_nor_errors_reach_a_terminal_raw(run: Run, serve: Serve) -> None:
    service = serve(labels=[EVIL] * 10, detail=evil, api_key="k")
    ended: list[Any] = [
        run("golden", "--url", service.url, "--api-key", "k"),
        run("suite", "--url", service.url, "--api-key", "k", "--only", "golden_labels"),
        run("golden", "--url", service.url),
    ]
    assert [each.exit_code for each in ended] == [0, 1, 4]
    for each in ended:
        assert not {"\x1b", "\x07", "\u202e"} & set(each.stdout + each.stderr)


@pytest.mark.parametrize("start", "=+-@")
def test_no_cell_of_a_csv_file_is_a_formula(
    run: Run, serve: Serve, tmp_path: Path, image: bytes, start: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"{start}a.png").write_bytes(image)
    service = serve(labels=[f"{start}1+1"] * 10)
    rows = run("predict", "--url", service.url, "--csv", "--", f"{start}a.png").stdout.splitlines()
    cells = rows[1].split(",")
    assert cells[0] == f"'{start}a.png"
    assert cells[2] == f"'{start}1+1"


@contextmanager
def on_a_full_disk(*_arguments: object, **_options: object) -> Generator[TextIO]:
    with Path("/dev/full").open("w", encoding="utf-8") as stream:
        yield stream


def test_a_full_disk_is_one_sentence(
    run: Run, serve: Serve, tmp_path: Path, image: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(image)
    monkeypatch.setattr("imgcls_client.predict.output.opened", on_a_full_disk)
    ended = run("predict", "--url", serve().url, tmp_path / "a.png", "--jsonl", "--output", tmp_path / "o.jsonl")
    assert ended.exit_code == 2
    assert "The disk is full." in ended.stderr
    assert "a bug of ours" not in ended.stderr


def evil(_: str) -> str:
    return EVIL
