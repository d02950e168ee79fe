"""The leanest way through httpx: requests are built once and handed to its transport.

What `AsyncImgclsClient` does for its callers on each call (retries, parsing, cookies, redirects) would cost more than
the network here and be measured as if it were the service.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httpx

from imgcls_client.calls import Call
from imgcls_client.connection import Connection
from imgcls_client.load.samples import ANSWERED

__all__ = ["Sender"]


@dataclass
class Sender:
    """Sends one of a few calls at a time and says how it ended.

    Attributes:
        connection: Address, headers and time limits.
        calls: Taken in turn.
        max_connections: How many calls can be under way at once.
    """

    connection: Connection
    calls: Sequence[Call]
    max_connections: int
    _requests: list[httpx.Request] = field(init=False, repr=False)
    _transport: httpx.AsyncHTTPTransport = field(init=False, repr=False)

    def __post_init__(self) -> None:
        limits = httpx.Limits(max_connections=self.max_connections, max_keepalive_connections=self.max_connections)
        self._transport = httpx.AsyncHTTPTransport(limits=limits)
        timeout = {"timeout": self.connection.timeout().as_dict()}
        with self.connection.in_our_words():
            self._requests = [
                httpx.Request(
                    call.method,
                    self.connection.address(call),
                    params=dict(call.params) or None,
                    headers={**self.connection.all_headers(), **call.headers},
                    content=call.body,
                    extensions=timeout,
                )
                for call in self.calls
            ]

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)

    async def send(self, number: int) -> str:
        """Send a call and read the whole answer.

        Returns:
            `answered`, the service's problem code, `http_<status>`, or the kind of failure.
        """
        try:
            response = await self._transport.handle_async_request(self._requests[number % len(self._requests)])
            body = await response.aread()
            await response.aclose()
        except httpx.TimeoutException:
            return "answer_timeout"
        except httpx.ConnectError:
            return "unreachable"
        except httpx.TransportError:
            return "connection_broke"
        return ANSWERED if response.status_code < 400 else problem_code(response.status_code, body)


def problem_code(status: int, body: bytes) -> str:
    """Name a refusal by its problem code, where it has one."""
    try:
        code = json.loads(body)["code"]
    except (ValueError, KeyError, TypeError):
        return f"http_{status}"
    return str(code)
