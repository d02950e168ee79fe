"""Connections that cannot be used to hold the service: bounded in number, in header size and in time.

The application sees a request only when its headers are complete; what comes before and after it is decided here.
No server in Python limits the time for headers, and a proxy in front that does cannot be counted on; so this stands on
uvicorn's own protocol class, whose versions `pyproject.toml` bounds to those that it was tested with.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Final, cast

from imgcls_contract import PROBLEM_MEDIA_TYPE
from starlette.types import Message, Receive
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from imgcls_serve.http.caller import LOST, LostSignal
from imgcls_serve.http.problems import refusal

# Key of the ASGI scope under which a request finds its `IncomingBody`.
BODY: Final = "imgcls.body"

# More waits in the socket until somebody reads. The event loop reads this much at a time.
_MAX_UNREAD_BYTES: Final = 262_144

_MAX_HEADER_BYTES: Final = 65_536

# An answer that was given before everything was read is lost if the connection is closed while the caller still
# sends: the kernel then resets it. So the rest is read and thrown away for this long.
_LINGER_S: Final = 5.0


class IncomingBody:
    """Holds what has come and was not yet read: chunks are kept as they come and joined once.

    uvicorn appends each chunk to a buffer, copies the buffer for the application, and stops reading from the socket
    above 64 KB: for a photo that is 0.3 MB of copies and two system calls.

    Args:
        flow: stops the connection's reading while too much is unread.
    """

    def __init__(self, flow: FlowControl) -> None:
        self._flow = flow
        self._chunks: list[bytes] = []
        self._unread_bytes = 0
        self._is_whole = False
        self._is_read = False
        self._is_lost = False
        self._waiter: asyncio.Future[None] | None = None

    def add(self, chunk: bytes) -> None:
        """A part of the body has come."""
        self._chunks.append(chunk)
        self._unread_bytes += len(chunk)
        if self._unread_bytes > _MAX_UNREAD_BYTES:
            self._flow.pause_reading()
        self._wake()

    def end(self) -> None:
        """The body is whole."""
        self._is_whole = True
        self._wake()

    def lose(self) -> None:
        """The caller has hung up."""
        self._is_lost = True
        self._wake()

    def take_whole(self) -> bytes | None:
        """Gives the body if all of it has come and none was read; else None, and `receive` gives it."""
        if not self._is_whole or self._is_read:
            return None
        self._is_read = True
        return self._take()

    async def receive(self, rest: Receive) -> Message:
        """Gives the next part, as ASGI's `receive`; waits for it.

        Args:
            rest: is asked for what follows the body.
        """
        if self._is_read:
            return await rest()
        self._flow.resume_reading()
        while not (self._chunks or self._is_whole or self._is_lost):
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self._is_lost:
            return {"type": "http.disconnect"}
        self._is_read = self._is_whole
        return {"type": "http.request", "body": self._take(), "more_body": not self._is_whole}

    def _take(self) -> bytes:
        chunks, self._chunks, self._unread_bytes = self._chunks, [], 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class CorkedTransport:
    """Sends the head of an answer together with its body: one system call and one packet instead of two.

    uvicorn writes them one after the other. Measured with 110 KB requests, the second write cost 10 % of the event
    loop's time.

    Attributes:
        is_sender_busy: whether a body is still coming; closing then says only that nothing follows, for a socket that
            is closed with bytes unread takes the answer with it.
        has_ended: whether that was said; closing again closes.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self.is_sender_busy = False
        self.has_ended = False

    def write(self, data: bytes) -> None:
        """Holds a head back until its body comes; an interim answer has none and leaves at once."""
        if not self._head and data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 1"):
            self._head = data
            return
        head, self._head = self._head, b""
        self._transport.write(head + data)

    def close(self) -> None:
        """Sends what was held back and closes, at once or when the sender has come to its end."""
        if self.is_sender_busy and not self.has_ended:
            self.write_eof()
            return
        self.flush()
        self._transport.close()

    def write_eof(self) -> None:
        """Sends what was held back and says that nothing follows; the other side may still be read."""
        self.flush()
        self.has_ended = True
        self._transport.write_eof()

    def flush(self) -> None:
        """Sends a head that no body followed: the answer to HEAD, and statuses like 204."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the transport has
        return getattr(self._transport, name)


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits.

    Attributes:
        header_timeout_s: how long a connection may take for the headers of its first request.
        max_connections: most connections at a time.
    """

    header_timeout_s = 10.0
    max_connections = 1024

    _lost: LostSignal
    _body: IncomingBody | None = None
    _timer: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _is_in_headers = True
    _is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Refuses one connection too many; gives the others time for their headers."""
        self._lost = LostSignal()
        super().connection_made(cast("asyncio.Transport", CorkedTransport(transport)))
        if len(self.connections) > self.max_connections:
            self._refuse("queue_full", "The service has too many connections.")
            # No lingering here: it would hold the very thing that there is too much of.
            self.transport.close()
            return
        self._start_timer(self.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clock and tells whoever works for this connection."""
        self._stop_timer()
        super().connection_lost(exc)
        if self._body is not None:
            self._body.lose()
        self._lost.tell()

    def data_received(self, data: bytes) -> None:
        """Counts the bytes of headers."""
        if self._is_refused:
            return
        if self._is_in_headers:
            self._header_bytes += len(data)
        super().data_received(data)
        # Asked after the parser has seen the bytes: what came may have ended the headers and begun a large body.
        if self._is_in_headers and not self._is_refused and self._header_bytes > _MAX_HEADER_BYTES:
            self._refuse(
                "headers_too_large",
                f"The headers have more than {_MAX_HEADER_BYTES:,} bytes. Send fewer or shorter ones.",
            )

    def on_message_begin(self) -> None:
        """Starts the clock for a request's headers."""
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[LOST] = self._lost
        self._is_in_headers = True
        self._start_timer(self.header_timeout_s)

    def on_headers_complete(self) -> None:
        """Leaves the request to the application, which has its own deadline."""
        self._is_in_headers, self._header_bytes = False, 0
        self._stop_timer()
        super().on_headers_complete()
        cast("CorkedTransport", self.transport).is_sender_busy = True
        # uvicorn tells a caller who waits for that to go on, when the application asks for the body.
        self._body = None if self.expect_100_continue else IncomingBody(self.flow)
        cast("dict[str, Any]", self.scope)[BODY] = self._body

    def on_body(self, body: bytes) -> None:
        """Keeps a part of the body, unless the request has been answered."""
        if self._body is None:
            super().on_body(body)
        elif not self.cycle.response_complete:
            self._body.add(body)

    def on_message_complete(self) -> None:
        """The whole body has come, read or not; what follows are the headers of the next request."""
        self._is_in_headers = True
        self._stop_timer()
        super().on_message_complete()
        if self._body is not None:
            self._body.end()
        transport = cast("CorkedTransport", self.transport)
        transport.is_sender_busy = False
        if transport.has_ended:
            transport.close()

    def on_response_complete(self) -> None:
        """Gives a caller who still sends a little time to read the answer."""
        cast("CorkedTransport", self.transport).flush()
        if self.cycle.more_body and not self.transport.is_closing():
            self._start_timer(_LINGER_S)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answers what is not HTTP."""
        self._refuse("bad_request", msg)

    def _refuse(self, code: str, detail: str) -> None:
        problem, body = refusal(code, detail)
        head = [
            f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}",
            f"content-type: {PROBLEM_MEDIA_TYPE}",
            f"content-length: {len(body)}",
            "connection: close",
        ]
        if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
            head.append("retry-after: 1")
        self._is_refused = True
        self.transport.write("\r\n".join([*head, "", ""]).encode() + body)
        self.transport.write_eof()
        self._start_timer(_LINGER_S)

    def _start_timer(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self._time_is_up)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_is_up(self) -> None:
        if not self.transport.is_closing():
            cast("CorkedTransport", self.transport).is_sender_busy = False
            self.transport.close()


def guarded_protocol(*, header_timeout_s: float, max_connections: int) -> type[GuardedProtocol]:
    """Gives the protocol with these limits; uvicorn makes its instances."""
    limits = {"header_timeout_s": header_timeout_s, "max_connections": max_connections}
    return type("LimitedProtocol", (GuardedProtocol,), limits)
