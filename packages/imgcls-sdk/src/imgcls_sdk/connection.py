"""What both clients need to know of the connection: address, key, time limits, and httpx's errors in our words."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, TypedDict, cast
from urllib.parse import urlsplit

import httpx
from imgcls_contract.bounds import Bounds, BoundsError, Meter, TotalTimeError, check_encoding

from imgcls_sdk.answers import HttpAnswer
from imgcls_sdk.calls import Call
from imgcls_sdk.errors import (
    AnswerTimeoutError,
    ImgclsClientError,
    SettingsError,
    UnexpectedAnswerError,
    UnknownHostError,
    UnreachableError,
)
from imgcls_sdk.retry_policy import RetryPolicy, Timeouts

DEFAULT_URL = "http://127.0.0.1:8192"
# The golden images of a large model, or the whole vectors of a batch, are far below.
LONGEST_ANSWER_BYTES = 64 << 20
_PORTS = 2**16
_ROUTE = re.compile(r"/(predict(/batch)?|health|ready|docs|golden|models|metrics|openapi\.json)$")


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


def base_address(text: str) -> str:
    """Gives the base address that is meant; `http://` may be left out, and a path, as platforms use, is kept.

    Raises:
        SettingsError: it is no address, or that of a route.
    """
    url = (text.strip() if "://" in text else f"http://{text.strip()}").rstrip("/")
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", url):
        raise SettingsError(
            f"The address {text!r} cannot be used: it needs a host, and http:// or https:// before it, "
            f"as in {DEFAULT_URL!r}."
        )
    if "://" not in text and re.fullmatch(r"(?!localhost\b)[^.:\[/]+(/.*)?", text.strip()):
        raise SettingsError(
            f"The address {text!r} is no address of a service: write http://HOST or HOST:PORT, as in {DEFAULT_URL!r}."
        )
    port = urlsplit(url).netloc.rpartition("@")[2].rpartition("]")[2].partition(":")[2]
    if port and not (port.isdecimal() and int(port) < _PORTS):
        raise SettingsError(
            f"The address {text!r} has the port {port!r}; allowed are 1 to 65535, as in {DEFAULT_URL!r}."
        )
    if route := _ROUTE.search(url):
        raise SettingsError(f"The address {text!r} ends in the route {route[0]}; give {url.removesuffix(route[0])!r}.")
    return url


@dataclass
class Connection:
    """Address and manners of one client.

    Attributes:
        url: base address.
        headers: sent with every call; may hold keys, so they are never shown.
    """

    url: str
    timeouts: Timeouts
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    max_connections: int = 64
    last_answer_at: float | None = field(default=None, init=False)

    @classmethod
    def of(cls, url: str, options: ClientOptions) -> Connection:
        """Gives the connection that a client's options describe."""
        api_key = options.get("api_key")
        key = {"authorization": f"Bearer {api_key}"} if api_key else {}
        return cls(
            base_address(url),
            options.get("timeouts") or Timeouts(),
            {**key, **(options.get("headers") or {})},
            options.get("retry") or RetryPolicy(),
            options.get("max_connections", 64),
        )

    def pool(self) -> dict[str, Any]:
        """Gives httpx's options of a client."""
        limits = httpx.Limits(max_connections=self.max_connections, max_keepalive_connections=self.max_connections)
        return {"headers": self.all_headers(), "limits": limits}

    def request(self, call: Call) -> dict[str, Any]:
        """Gives what httpx needs for a call; waiting for a free connection counts as waiting for the answer."""
        return {
            "method": call.method,
            "url": self.address(call),
            "params": dict(call.params) or None,
            "headers": dict(call.headers),
            "content": call.body,
            "timeout": httpx.Timeout(self.wait_s(), connect=self.timeouts.connect_s),
        }

    def all_headers(self) -> dict[str, str]:
        """Gives the headers of every call."""
        # Answers come as they are: a small compressed one could become gigabytes.
        fixed = {"user-agent": f"imgcls-sdk/{version('imgcls-sdk')}", "accept-encoding": "identity"}
        return {**fixed, **self.headers}

    def wait_s(self) -> float:
        """Says how long the next answer may take, in seconds."""
        if self.last_answer_at is None or time.monotonic() - self.last_answer_at > self.timeouts.warm_for_s:
            return self.timeouts.cold_start_s
        return self.timeouts.warm_s

    def bounds(self) -> Bounds:
        """Says what the next call may cost in all, so that no trickle of bytes holds it for ever."""
        return Bounds(self.timeouts.connect_s + 2 * self.wait_s(), LONGEST_ANSWER_BYTES)

    def pause_s(self, attempt: int, failure: ImgclsClientError) -> float:
        """Says how long to wait before sending again, in seconds, or raises the failure where that is no use."""
        delay_s = self.retry.delay_s(attempt, failure)
        if delay_s is None:
            raise failure
        return delay_s

    def address(self, call: Call) -> str:
        """Gives the full address of a call."""
        return self.url + call.path

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
        except (httpx.TimeoutException, TotalTimeError) as error:
            raise AnswerTimeoutError(self.url, waits_s, call="a call" if call is None else call.name) from error
        except httpx.TransportError as error:
            names = [cause.errno for cause in _causes_of(error) if isinstance(cause, socket.gaierror)]
            kind = UnknownHostError if socket.EAI_NONAME in names else UnreachableError
            raise kind(self.url, _reason_of(error)) from error
        except httpx.InvalidURL as error:
            raise SettingsError(f"The address {self.url!r} cannot be used: {error}.") from error


class BoundedBody:
    """Takes an answer's bytes as they come, neither too many nor for too long.

    Args:
        connection: that of the call.
        response: status and headers.
        started: of the call, as `time.perf_counter` counts.
        bounds: what its body may cost.

    Raises:
        UnexpectedAnswerError: the answer is compressed, although that was not asked for.
    """

    def __init__(self, connection: Connection, response: httpx.Response, started: float, bounds: Bounds) -> None:
        self._connection, self._response, self._started = connection, response, started
        self._bytes, self._meter, self._bounds = bytearray(), Meter(bounds), bounds
        with self._in_our_words():
            check_encoding(response.headers.get("content-encoding"))

    def add(self, part: bytes) -> None:
        """Takes a part.

        Raises:
            UnexpectedAnswerError: the answer is longer than any of imgcls.
            AnswerTimeoutError: it has taken too long already.
        """
        self._bytes += part
        with self._in_our_words():
            self._meter.take(len(part))

    def answer(self) -> HttpAnswer:
        """Gives the whole answer."""
        call_ms = (time.perf_counter() - self._started) * 1000
        self._connection.last_answer_at = time.monotonic()
        headers = {name.lower(): value for name, value in self._response.headers.items()}
        return HttpAnswer(self._response.status_code, headers, bytes(self._bytes), call_ms)

    @contextmanager
    def _in_our_words(self) -> Generator[None]:
        try:
            yield
        except TotalTimeError as error:
            raise AnswerTimeoutError(self._connection.url, self._bounds.total_s, call="the whole of a call") from error
        except BoundsError as error:
            status, request_id = self._response.status_code, self._response.headers.get("x-request-id")
            text = f"The service answered {status}, but its answer {error}."
            raise UnexpectedAnswerError(text, status=status, request_id=request_id) from error


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
        if isinstance(cause, ssl.SSLError) and "CERTIFICATE" not in (cause.reason or ""):
            return f"what listens there does not speak TLS ({cause.reason}); its address may begin with http://"
    return said


def _causes_of(error: BaseException) -> Iterator[BaseException]:
    """Walks from an error to what led to it, members of groups included."""
    waiting: list[BaseException | None] = [error]
    while waiting:
        if (found := waiting.pop()) is None:
            continue
        yield found
        waiting.append(found.__cause__ or found.__context__)
        if isinstance(found, BaseExceptionGroup):
            waiting.extend(cast("BaseExceptionGroup[BaseException]", found).exceptions)
