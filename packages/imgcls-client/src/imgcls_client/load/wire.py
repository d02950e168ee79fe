"""One HTTP/1.1 connection for load tests: ready-made bytes out, status and body back.

A general client spends more time on a call than loopback does, and a load test would measure that as if it were the
service. This one does what answers of a service like ours need (lengths, chunks, keep-alive) and nothing else: no
redirects, cookies, proxies or HTTP/2.
"""

import asyncio
from dataclasses import dataclass
from typing import cast

__all__ = ["BrokenAnswerError", "Wire", "WireAnswer"]

HEAD_END = b"\r\n\r\n"
BODILESS = frozenset({204, 304})


class BrokenAnswerError(ConnectionError):
    """The connection ended in the middle of an answer, or what came is not HTTP."""


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """A whole answer; `is_reusable` says whether the connection can carry another call."""

    status: int
    body: bytes
    is_reusable: bool


class Wire(asyncio.Protocol):
    """A connection that carries one call at a time."""

    def __init__(self) -> None:
        self.is_closed = False
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._answer: asyncio.Future[WireAnswer] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """End a call that is waiting: with its answer where the end of the connection ends it, else with an error."""
        self.is_closed = True
        if self._answer is not None and not self._answer.done():
            answer = None if exc else parse_answer(self._received, is_ended=True)
            if answer is None:
                self._answer.set_exception(BrokenAnswerError(str(exc or "closed before the answer was whole")))
            else:
                self._answer.set_result(answer)

    def data_received(self, data: bytes) -> None:
        """Take bytes in; the call ends when its answer is whole."""
        self._received += data
        if self._answer is None or self._answer.done():
            # Nobody asked: a server that gives up an idle connection may say so first.
            self.close()
            return
        try:
            answer = parse_answer(self._received)
        except BrokenAnswerError as error:
            self._answer.set_exception(error)
            self.close()
            return
        if answer is not None:
            self._received.clear()
            self._answer.set_result(answer)
            if not answer.is_reusable:
                self.close()

    async def send(self, request: bytes) -> WireAnswer:
        """Send a request and wait for its whole answer.

        Raises:
            BrokenAnswerError: The connection ended first, or the answer is not HTTP.
        """
        if self._transport is None or self.is_closed:
            raise BrokenAnswerError("the connection is closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Close the connection."""
        self.is_closed = True
        if self._transport is not None:
            self._transport.close()


def parse_answer(received: bytearray, *, is_ended: bool = False) -> WireAnswer | None:
    """Read an answer from what has come so far, or give None while it is not whole.

    Args:
        received: Bytes since the request; interim answers (1xx) are taken out of it.
        is_ended: Whether no more will come, which ends an answer without a length.

    Raises:
        BrokenAnswerError: It is not HTTP/1.
    """
    head_ends = received.find(HEAD_END)
    if head_ends < 0:
        return None
    lines = bytes(received[:head_ends]).split(b"\r\n")
    version, _, rest = lines[0].partition(b" ")
    if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
        raise BrokenAnswerError("the answer is not HTTP/1")
    status = int(rest[:3])
    if 100 <= status < 200:
        del received[: head_ends + len(HEAD_END)]
        return parse_answer(received, is_ended=is_ended)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
    keeps = headers.get(b"connection", b"").lower() != b"close" and version != b"HTTP/1.0"
    start = head_ends + len(HEAD_END)
    if status in BODILESS:
        return WireAnswer(status, b"", keeps)
    if b"chunked" in headers.get(b"transfer-encoding", b"").lower():
        body = parse_chunks(received, start)
        return None if body is None else WireAnswer(status, body, keeps)
    length = headers.get(b"content-length")
    if length is None:
        return WireAnswer(status, bytes(received[start:]), is_reusable=False) if is_ended else None
    end = start + int(length)
    return WireAnswer(status, bytes(received[start:end]), keeps) if len(received) >= end else None


def parse_chunks(received: bytearray, start: int) -> bytes | None:
    """Put a chunked body together, or give None while it is not whole."""
    body = bytearray()
    while True:
        line_ends = received.find(b"\r\n", start)
        if line_ends < 0:
            return None
        try:
            size = int(bytes(received[start:line_ends]).split(b";")[0], 16)
        except ValueError as error:
            raise BrokenAnswerError("a chunk of the answer has no size") from error
        start = line_ends + 2
        if size == 0:
            # Trailers may follow; the empty line after them ends the answer.
            is_whole = received.startswith(b"\r\n", start) or received.find(HEAD_END, start) >= 0
            return bytes(body) if is_whole else None
        if len(received) < start + size + 2:
            return None
        body += received[start : start + size]
        start += size + 2
