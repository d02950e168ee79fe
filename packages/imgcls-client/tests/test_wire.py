"""The lean connection of load tests, against answers in every form that HTTP/1.1 has for them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from imgcls_client.load.wire import BrokenAnswerError, Wire, WireAnswer

if TYPE_CHECKING:
    from collections.abc import Sequence

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n" + LENGTH
TRAILED = CHUNKED.removesuffix(b"\r\n") + b"Checksum: 1\r\n\r\n"


def exchange(answers: Sequence[bytes], *, part: int = 1000) -> list[WireAnswer | str]:
    """Ask once for each answer over one connection to a server that gives them one by one and then closes.

    Args:
        answers: what the server says.
        part: how many bytes of it go out at once.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            for start in range(0, len(answer), part):
                writer.write(answer[start : start + part])
                await writer.drain()
                await asyncio.sleep(0)  # lets the other side read before the next part
        writer.close()

    async def ask() -> list[WireAnswer | str]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            host, port = server.sockets[0].getsockname()
            _, wire = await asyncio.get_running_loop().create_connection(Wire, host, port)
            found: list[WireAnswer | str] = []
            for _ in answers:
                try:
                    found.append(await asyncio.wait_for(wire.send(b"GET / HTTP/1.1\r\n\r\n"), 5))
                except BrokenAnswerError as error:
                    found.append(str(error))
            wire.close()
            return found

    return asyncio.run(ask())


def test_one_connection_carries_one_call_after_the_other() -> None:
    assert exchange([LENGTH, CHUNKED, LENGTH]) == [WireAnswer(200, b"hello", is_reusable=True)] * 3


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    assert exchange([b"HTTP/1.1 200 OK\r\n\r\nuntil the end"]) == [WireAnswer(200, b"until the end", is_reusable=False)]


def test_a_connection_that_ends_in_the_middle_of_an_answer_is_an_error() -> None:
    assert exchange([LENGTH[:-2]]) == ["closed before the answer was whole"]


@pytest.mark.parametrize("part", [1, 7, 1000])
@pytest.mark.parametrize("answer", [LENGTH, CHUNKED, INTERIM, TRAILED], ids=["length", "chunks", "interim", "trailer"])
def test_an_answer_is_whole_however_its_bytes_come(answer: bytes, part: int) -> None:
    assert exchange([answer, answer], part=part) == [WireAnswer(200, b"hello", is_reusable=True)] * 2


def test_answers_without_a_body_end_with_their_head() -> None:
    assert exchange([b"HTTP/1.1 204 No Content\r\n\r\n"]) == [WireAnswer(204, b"", is_reusable=True)]


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n", b"HTTP/1.0 200 OK\r\n"])
def test_a_connection_that_the_server_will_close_is_not_used_again(head: bytes) -> None:
    found = exchange([head + b"Content-Length: 0\r\n\r\n"])
    assert found == [WireAnswer(200, b"", is_reusable=False)]


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_what_is_not_http_is_an_error(answer: bytes) -> None:
    (found,) = exchange([answer])
    assert "not HTTP/1" in str(found)
