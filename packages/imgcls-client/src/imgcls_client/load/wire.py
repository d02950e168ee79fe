"""One HTTP/1.1 connection for load tests: ready-made bytes out, status and body back.

A general client spends more time on a call than loopback does, and a load test would measure that as if it were the
service. This one hands the bytes to httptools and does nothing else: no redirects, cookies, proxies or HTTP/2.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import cast

import httptools
from imgcls_sdk.connection import LONGEST_ANSWER_BYTES


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
        self._answer: asyncio.Future[WireAnswer] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body = bytearray()
        self._has_length = self._ends_with_connection = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends a call that is waiting: with its answer where the end of the connection ends it, else with an error."""
        self.is_closed = True
        if self._answer is None or self._answer.done():
            return
        if exc is None and self._ends_with_connection:
            self._answer.set_result(WireAnswer(self._parser.get_status_code(), bytes(self._body), is_reusable=False))
        else:
            self._answer.set_exception(BrokenAnswerError(str(exc or "closed before the answer was whole")))

    def data_received(self, data: bytes) -> None:
        """Takes bytes in; the call ends when its answer is whole."""
        if self._answer is None or self._answer.done():
            # Nobody asked: a server that gives up an idle connection may say so first.
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._answer.set_exception(BrokenAnswerError(f"the answer is not HTTP/1: {error}"))
            self.close()

    def on_message_begin(self) -> None:
        """Begins an answer."""
        self._body.clear()
        self._has_length = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Notes whether the answer says where it ends."""
        self._has_length = self._has_length or name.lower() in {b"content-length", b"transfer-encoding"}

    def on_headers_complete(self) -> None:
        """Knows now what ends the answer."""
        self._ends_with_connection = not self._has_length

    def on_body(self, body: bytes) -> None:
        """Takes a part of the body."""
        self._body += body
        if len(self._body) > LONGEST_ANSWER_BYTES:
            raise ValueError(f"its body is longer than {LONGEST_ANSWER_BYTES >> 20} MiB")

    def on_message_complete(self) -> None:
        """Ends the call that is waiting; interim answers (1xx) end none."""
        status = self._parser.get_status_code()
        if status < 200 or self._answer is None or self._answer.done():
            return
        is_reusable = self._parser.should_keep_alive()
        self._answer.set_result(WireAnswer(status, bytes(self._body), is_reusable))
        if not is_reusable:
            self.close()

    async def send(self, request: bytes) -> WireAnswer:
        """Sends a request and waits for its whole answer.

        Raises:
            BrokenAnswerError: the connection ended first, or the answer is not HTTP.
        """
        if self._transport is None or self.is_closed:
            raise BrokenAnswerError("the connection is closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Closes the connection."""
        self.is_closed = True
        if self._transport is not None:
            self._transport.close()
