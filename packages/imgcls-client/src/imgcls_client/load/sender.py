"""Sends the calls of a load test and says how each ended. Requests are built once, by httpx; see `wire` for why."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx
from imgcls_sdk.calls import Call
from imgcls_sdk.connection import Connection

from imgcls_client.load.samples import ANSWERED
from imgcls_client.load.wire import BrokenAnswerError, Wire, WireAnswer


@dataclass
class Sender:
    """Sends one of a few calls at a time; belongs to one event loop.

    Attributes:
        connection: address, headers and time limits.
        calls: taken in turn.
    """

    connection: Connection
    calls: Sequence[Call]
    _requests: list[bytes] = field(init=False, repr=False)
    _idle: list[Wire] = field(init=False, repr=False, default_factory=list[Wire])
    _tls: ssl.SSLContext | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        with self.connection.in_our_words():
            self._requests = [self._encoded(call) for call in self.calls]
            url = httpx.URL(self.connection.url)
        self._tls = httpx.create_ssl_context() if url.scheme == "https" else None
        self._host, self._port = url.host, url.port or (443 if self._tls else 80)
        self._wait_s = self.connection.wait_s()

    def _encoded(self, call: Call) -> bytes:
        request = httpx.Request(
            call.method,
            self.connection.address(call),
            params=dict(call.params) or None,
            headers={**self.connection.all_headers(), **call.headers},
            content=call.body,
        )
        head = [request.method.encode() + b" " + request.url.raw_path + b" HTTP/1.1"]
        head += [name + b": " + value for name, value in request.headers.raw]
        return b"\r\n".join([*head, b"", b""]) + request.read()

    def close(self) -> None:
        """Closes the connections."""
        for wire in self._idle:
            wire.close()

    async def send(self, number: int) -> str:
        """Sends a call and reads the whole answer.

        Returns:
            `answered`, the service's problem code, `http_<status>`, or the kind of failure.
        """
        try:
            async with asyncio.timeout(self._wait_s):
                wire = self._take_idle() or await self._connect()
                try:
                    answer = await wire.send(self._requests[number % len(self._requests)])
                except BaseException:
                    wire.close()
                    raise
        except TimeoutError:
            return "answer_timeout"
        except BrokenAnswerError:
            return "connection_broke"
        except OSError:
            return "unreachable"
        if not wire.is_closed:
            self._idle.append(wire)
        return ANSWERED if answer.status < 400 else _problem_code(answer)

    def _take_idle(self) -> Wire | None:
        while self._idle:
            wire = self._idle.pop()
            if not wire.is_closed:
                return wire
        return None

    async def _connect(self) -> Wire:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self.connection.timeouts.connect_s):
            _, wire = await loop.create_connection(
                Wire, self._host, self._port, ssl=self._tls, server_hostname=self._host if self._tls else None
            )
        return wire


def _problem_code(answer: WireAnswer) -> str:
    """Names a refusal by its problem code, where it has one."""
    try:
        code = json.loads(answer.body)["code"]
    except (ValueError, KeyError, TypeError):
        return f"http_{answer.status}"
    return str(code)
