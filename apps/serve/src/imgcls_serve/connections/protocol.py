"""Connections that cannot be used to hold the service: bounded in number, in header size and in time.

The application sees a request only when its headers are complete; what comes before and after it is decided here.
No server in Python limits the time for headers, and a proxy in front that does cannot be counted on; so this stands on
uvicorn's own protocol class, whose versions `pyproject.toml` bounds to those that it was tested with.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from http import HTTPStatus
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from imgcls_serve.connections.caller_look import CallerLook
from imgcls_serve.connections.corked_transport import CorkedTransport
from imgcls_serve.connections.making_way import who_goes
from imgcls_serve.connections.quick_refusals import QuickRefusals
from imgcls_serve.connections.whole_answers import AnsweredCycle, whole_answer
from imgcls_serve.http.caller import LOST, LostSignal, network_of
from imgcls_serve.http.incoming_body import BODY, IncomingBody
from imgcls_serve.http.problems import refusal
from imgcls_serve.http.requests import head_fault

_MAX_HEADER_BYTES: Final = 65_536

# A chunk of one byte has a head of three and two line ends.
_MAX_FRAMING: Final = 8

# An answer that was given before everything was read is lost if the connection is closed while the caller still
# sends: the kernel then resets it. So the rest is read and thrown away for this long.
_LINGER_S: Final = 5.0


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits.

    Attributes:
        header_timeout_s: how long a connection may take for the headers of its first request.
        max_connections: most connections at a time; then others make way for a new one, in fair shares.
        write_timeout_s: how long an answer may wait for its caller to read it.
        refusals: answer without the application where that is due.
    """

    header_timeout_s = 10.0
    max_connections = 1024
    write_timeout_s = 30.0
    refusals: QuickRefusals

    _lost: LostSignal
    network: str
    opened_s: float
    _body: IncomingBody | None = None
    _timer: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _is_in_headers = True
    _is_refused = False
    idle_since_s: float | None = None
    _write_timer: asyncio.TimerHandle | None = None
    _look: CallerLook | None = None
    _answers = 0
    _body_bytes = 0
    _framing_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Refuses one connection too many; gives the others time for their headers."""
        self._lost = LostSignal()
        super().connection_made(cast("asyncio.Transport", CorkedTransport(transport)))
        self.network, self.opened_s = network_of(self.client), self.loop.time()
        if len(self.connections) > self.max_connections and not self._make_way():
            self._refuse("queue_full", "The service has too many connections.")
            # No lingering here: it would hold the very thing that there is too much of.
            self.transport.close()
            return
        self._start_timer(self.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clocks and tells whoever works for this connection."""
        self._stop_timer()
        for timer in (self._write_timer, self._look):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)
        if self._body is not None:
            self._body.lose()
        self._lost.tell()

    def eof_received(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Keeps the connection of a caller who has said all and waits for the answer.

        Whoever has hung up altogether says the same. The first bytes of the answer, sent at once, tell them apart:
        their system refuses them.
        """
        if self._is_refused or not self._is_being_answered:
            return False
        self.cycle.keep_alive = False
        if not self.cycle.response_started and not self.pipeline:
            cast("CorkedTransport", self.transport).begin()
        self._look = CallerLook(self.loop, self.transport)
        self._look.begin()
        return True

    def data_received(self, data: bytes) -> None:
        """Counts the bytes of headers, and of what frames a body: sizes of chunks and trailers."""
        if self._is_refused:
            return
        was_in_body, scope, body_bytes = not self._is_in_headers, self.scope, self._body_bytes
        if self._is_in_headers:
            self._header_bytes += len(data)
        super().data_received(data)
        if was_in_body and not self._is_in_headers and self.scope is scope:  # of one and the same request
            self._framing_bytes += len(data) - (self._body_bytes - body_bytes)
            if self._framing_bytes > _MAX_HEADER_BYTES + _MAX_FRAMING * self._body_bytes:
                self._cut_off("The chunks' heads and trailers have too many bytes.")
        # Asked after the parser has seen the bytes: what came may have ended the headers and begun a large body.
        if self._is_in_headers and not self._is_refused and self._header_bytes > _MAX_HEADER_BYTES:
            self._refuse(
                "headers_too_large",
                f"The headers have more than {_MAX_HEADER_BYTES:,} bytes. Send fewer or shorter ones.",
            )

    def on_message_begin(self) -> None:
        """Starts the clock for a request's headers."""
        super().on_message_begin()
        self.idle_since_s = None
        self._body_bytes = self._framing_bytes = 0
        cast("dict[str, Any]", self.scope)[LOST] = self._lost
        self._is_in_headers = True
        self._start_timer(self.header_timeout_s)

    def on_headers_complete(self) -> None:
        """Leaves the request to the application, which has its own deadline."""
        self._is_in_headers, self._header_bytes = False, 0
        self._stop_timer()
        parser = cast("httptools.HttpRequestParser", self.parser)
        if (fault := head_fault(self.headers, parser.get_http_version(), upgrades=parser.should_upgrade())) is not None:
            self._refuse("bad_request", fault)
            return
        if self.refusals.may_be_due and self._is_turned_away():
            return
        super().on_headers_complete()
        self.cycle.keep_alive &= not parser.should_upgrade()  # the parser reads no further then
        cast("CorkedTransport", self.transport).is_sender_busy = True
        # uvicorn tells a caller who waits for that to go on, when the application asks for the body.
        self._body = None if self.expect_100_continue else IncomingBody(self.flow)
        cast("dict[str, Any]", self.scope)[BODY] = self._body

    def _is_turned_away(self) -> bool:
        """Answers by the head where that can be done; the body that still comes is thrown away."""
        parser = cast("httptools.HttpRequestParser", self.parser)
        if (cycle := cast("RequestResponseCycle | None", self.cycle)) is not None and not cycle.response_complete:
            return False
        is_last = not parser.should_keep_alive() or parser.should_upgrade()
        if is_last or self.expect_100_continue or parser.get_method() != b"POST":
            return False
        answer = self.refusals.answer(cast("dict[str, Any]", self.scope), self.url, self.network)
        if answer is None:
            return False
        self.cycle, self._body = cast("RequestResponseCycle", AnsweredCycle()), None
        transport = cast("CorkedTransport", self.transport)
        transport.is_sender_busy = True
        transport.write(answer)
        self._answered()
        return True

    def _answered(self) -> None:
        """Keeps the clocks of a connection whose request has been answered."""
        cast("CorkedTransport", self.transport).flush()
        if self.cycle.more_body and not self.transport.is_closing():
            self._start_timer(_LINGER_S)
        self._answers += 1
        self.idle_since_s = self.loop.time()
        self._watch_writing()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a header; what comes after the body is passed over."""
        if self._is_in_headers:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Keeps a part of the body, unless the request has been answered."""
        self._body_bytes += len(body)
        if self._is_refused:
            return
        if self._body is None:
            super().on_body(body)
        elif not self.cycle.response_complete:
            self._body.add(body)

    def on_message_complete(self) -> None:
        """The whole body has come, read or not; what follows are the headers of the next request."""
        self._is_in_headers = True
        if self._is_refused:
            return
        self._stop_timer()
        super().on_message_complete()
        if self._body is not None:
            self._body.end()
        transport = cast("CorkedTransport", self.transport)
        transport.is_sender_busy = False
        if transport.has_ended:
            transport.close()
        elif self.cycle.response_complete:
            # uvicorn has begun to wait for the next request when it answered, and ended that for the rest of the body.
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        """Gives a caller who still sends a little time to read the answer."""
        self._answered()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """More waits to be read than the transport likes to hold."""
        super().pause_writing()
        self._watch_writing()

    def _watch_writing(self) -> None:
        if self._write_timer is None and self.transport.get_write_buffer_size():
            self._write_timer = self.loop.call_later(self.write_timeout_s, self._end_of_writing, self._answers)

    def _end_of_writing(self, answers: int) -> None:
        self._write_timer = None
        if self.transport.get_write_buffer_size() and self._answers == answers:
            self._reset()
        else:
            self._watch_writing()

    def _make_way(self) -> bool:
        """Ends a connection for this one; False where none may be ended."""
        goes = who_goes(self, cast("set[GuardedProtocol]", self.connections))
        if goes is None:
            return False
        if goes.idle_since_s is None or goes.transport.get_write_buffer_size():
            goes._reset()
        else:
            goes.transport.close()
        return True

    @property
    def may_end(self) -> bool:
        """Whether nothing is lost: it is still open, and no answer is being made that will be read."""
        return not self.transport.is_closing() and (not self._is_being_answered or self.flow.write_paused)

    @property
    def _is_being_answered(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete and not cycle.more_body

    def _reset(self) -> None:
        # Without this the kernel goes on holding what nobody reads.
        socket_ = self.transport.get_extra_info("socket")
        socket_.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _cut_off(self, detail: str) -> None:
        if self._body is not None:
            self._body.lose()
        if self.cycle.response_started:
            self.transport.abort()
            return
        self.cycle.disconnected = True
        self._refuse("headers_too_large", detail)

    def send_400_response(self, msg: str) -> None:
        """Answers what is not HTTP."""
        self._refuse("bad_request", msg)

    def _refuse(self, code: str, detail: str) -> None:
        problem, body = refusal(code, detail)
        retry = ["retry-after: 1"] if problem.status == HTTPStatus.SERVICE_UNAVAILABLE else []
        self._is_refused = True
        self.transport.write(whole_answer(problem, body, "connection: close", *retry))
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


def guarded_protocol(refusals: QuickRefusals, **limits: float) -> type[GuardedProtocol]:
    """Gives the protocol with these limits, named as its attributes; uvicorn makes its instances."""
    return type("LimitedProtocol", (GuardedProtocol,), {"refusals": refusals, **limits})
