"""What both clients need to know of the connection: address, key, time limits, and httpx's errors in our words."""

from __future__ import annotations

import socket
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TypedDict, cast

import httpx

from imgcls_client.errors import (
    AnswerTimeoutError,
    ImgclsClientError,
    SettingsError,
    UnexpectedAnswerError,
    UnreachableError,
)
from imgcls_client.http.answers import HttpAnswer
from imgcls_client.http.calls import Call
from imgcls_client.http.retry_policy import RetryPolicy, Timeouts

DEFAULT_URL = "http://127.0.0.1:8192"


class ClientOptions(TypedDict, total=False):
    """What both clients take.

    Attributes:
        api_key: sent as `Authorization: Bearer`; never shown.
        timeouts: time limits; the first call gets the one for cold starts.
        retry: what is tried again; `NO_RETRY` sends once.
        headers: more headers for every call.
        max_connections: how many calls can be under way at once (64 by default).
    """

    api_key: str | None
    timeouts: Timeouts | None
    retry: RetryPolicy | None
    headers: Mapping[str, str] | None
    max_connections: int


class _Request(TypedDict):
    """What httpx needs for one call."""

    method: str
    url: str
    params: dict[str, str] | None
    headers: dict[str, str]
    content: bytes | None
    timeout: httpx.Timeout


# The golden images of a large model, or the whole vectors of a batch, are far below.
LONGEST_ANSWER_BYTES = 64 * 2**20


@dataclass
class Connection:
    """Address and manners of one client.

    Attributes:
        url: base address; a path in it, as container platforms use, is kept.
        headers: sent with every call; may hold keys, so they are never shown.
    """

    url: str
    timeouts: Timeouts
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    max_connections: int = 64
    last_answer_at: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.url = self.url.rstrip("/")
        if not self.url.startswith(("http://", "https://")) or not httpx.URL(self.url).host:
            raise SettingsError(
                f"The address {self.url!r} cannot be used: it needs http:// or https:// and a host, "
                f"as in {DEFAULT_URL!r}."
            )

    @classmethod
    def of(cls, url: str, options: ClientOptions) -> Connection:
        """Gives the connection that a client's options describe."""
        api_key = options.get("api_key")
        key = {"authorization": f"Bearer {api_key}"} if api_key else {}
        return cls(
            url,
            options.get("timeouts") or Timeouts(),
            {**key, **(options.get("headers") or {})},
            options.get("retry") or RetryPolicy(),
            options.get("max_connections", 64),
        )

    def limits(self) -> httpx.Limits:
        """Gives httpx's limits of the pool."""
        return httpx.Limits(max_connections=self.max_connections, max_keepalive_connections=self.max_connections)

    def request(self, call: Call) -> _Request:
        """Gives what httpx needs for a call."""
        return {
            "method": call.method,
            "url": self.address(call),
            "params": dict(call.params) or None,
            "headers": dict(call.headers),
            "content": call.body,
            "timeout": self.timeout(),
        }

    def all_headers(self) -> dict[str, str]:
        """Gives the headers of every call."""
        # Answers come as they are: a small compressed one could become gigabytes.
        fixed = {"user-agent": f"imgcls-client/{version('imgcls-client')}", "accept-encoding": "identity"}
        return {**fixed, **self.headers}

    def wait_s(self) -> float:
        """Says how long the next answer may take, in seconds."""
        if self.last_answer_at is None or time.monotonic() - self.last_answer_at > self.timeouts.warm_for_s:
            return self.timeouts.cold_start_s
        return self.timeouts.warm_s

    def timeout(self) -> httpx.Timeout:
        """Gives the next call's time limits; waiting for a free connection counts as waiting for the answer."""
        wait_s = self.wait_s()
        return httpx.Timeout(wait_s, connect=self.timeouts.connect_s)

    def pause_s(self, attempt: int, failure: ImgclsClientError) -> float:
        """Says how long to wait before sending again, in seconds, or raises the failure where that is no use."""
        delay_s = self.retry.delay_s(attempt, failure)
        if delay_s is None:
            raise failure
        return delay_s

    def address(self, call: Call) -> str:
        """Gives the full address of a call."""
        return self.url + call.path

    def total_s(self) -> float:
        """Says how long the next call may take in all, in seconds, so that no trickle of bytes holds it for ever."""
        return self.timeouts.connect_s + 2 * self.wait_s()

    def body(self, response: httpx.Response, started: float) -> BoundedBody:
        """Gives a place for an answer's body that takes neither too many bytes nor too long."""
        return BoundedBody(self, response, started)

    @contextmanager
    def in_our_words(self, call: Call | None = None) -> Generator[None]:
        """Turns httpx's transport errors into this package's.

        Raises:
            UnreachableError: no connection, or it broke.
            AnswerTimeoutError: connected, but no answer in time.
        """
        waits_s = self.wait_s()
        try:
            yield
        except httpx.ConnectTimeout as error:
            raise UnreachableError(self.url, f"no connection within {self.timeouts.connect_s:g} s") from error
        except httpx.TimeoutException as error:
            named = f"{call.method} {call.path}" if call is not None else "a call"
            raise AnswerTimeoutError(self.url, waits_s, call=named) from error
        except httpx.TransportError as error:
            raise UnreachableError(self.url, _reason_of(error)) from error
        except httpx.InvalidURL as error:
            raise SettingsError(f"The address {self.url!r} cannot be used: {error}.") from error


class BoundedBody:
    """Takes an answer's bytes as they come.

    Args:
        connection: whose limits hold.
        response: status and headers.
        started: of the call, as `time.perf_counter` counts.

    Raises:
        UnexpectedAnswerError: the answer is compressed, although that was not asked for.
    """

    def __init__(self, connection: Connection, response: httpx.Response, started: float) -> None:
        self._connection, self._response, self._started = connection, response, started
        self._limit_s = connection.total_s()
        self._bytes = bytearray()
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise self._refused(f"it is compressed ({response.headers['content-encoding']}), which nobody asked for")

    def add(self, part: bytes) -> None:
        """Takes a part.

        Raises:
            UnexpectedAnswerError: the answer is longer than any of imgcls.
            AnswerTimeoutError: it has taken too long already.
        """
        self._bytes += part
        if len(self._bytes) > LONGEST_ANSWER_BYTES:
            raise self._refused(f"its body is longer than {LONGEST_ANSWER_BYTES >> 20} MiB")
        if time.perf_counter() - self._started > self._limit_s:
            raise AnswerTimeoutError(self._connection.url, self._limit_s, call="the whole of a call")

    def answer(self) -> HttpAnswer:
        """Gives the whole answer."""
        now = time.perf_counter()
        self._connection.last_answer_at = time.monotonic()
        return HttpAnswer(
            status=self._response.status_code,
            headers={name.lower(): value for name, value in self._response.headers.items()},
            body=bytes(self._bytes),
            call_ms=(now - self._started) * 1000,
        )

    def _refused(self, why: str) -> UnexpectedAnswerError:
        return UnexpectedAnswerError(
            f"The service answered {self._response.status_code}, but {why}.",
            status=self._response.status_code,
            request_id=self._response.headers.get("x-request-id"),
        )


def _reason_of(error: httpx.TransportError) -> str:
    """Says in a few words what broke; the operating system's own error stands somewhere in the chain."""
    said = str(error) or type(error).__name__
    if not isinstance(error, httpx.ConnectError):
        return f"the connection broke ({said})" if isinstance(error, httpx.NetworkError | httpx.ProtocolError) else said
    for cause in _causes_of(error):
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        if isinstance(cause, socket.gaierror):
            return f"the host name cannot be resolved ({cause.strerror})"
    return said


def _causes_of(error: BaseException) -> Iterator[BaseException]:
    """Walks from an error to what led to it, members of groups included."""
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop()
        if found is None:
            continue
        yield found
        waiting.append(found.__cause__ or found.__context__)
        if isinstance(found, BaseExceptionGroup):
            waiting.extend(cast("BaseExceptionGroup[BaseException]", found).exceptions)
