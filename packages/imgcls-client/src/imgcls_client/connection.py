"""What both clients need to know of the connection: address, key, time limits, and httpx's errors in our words."""

import socket
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import cast

import httpx

from imgcls_client.calls import Answer, Call
from imgcls_client.errors import AnswerTimeoutError, SettingsError, UnreachableError
from imgcls_client.retry_policy import Timeouts

__all__ = ["DEFAULT_URL", "Connection"]

DEFAULT_URL = "http://127.0.0.1:8192"


@dataclass
class Connection:
    """Address and manners of one client.

    Attributes:
        url: Base address; a path in it, as container platforms use, is kept.
        headers: Sent with every call; may hold keys, so they are never shown.
    """

    url: str
    timeouts: Timeouts
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    last_answer_at: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.url = self.url.rstrip("/")
        if not self.url.startswith(("http://", "https://")) or not httpx.URL(self.url).host:
            raise SettingsError(
                f"The address {self.url!r} cannot be used: it needs http:// or https:// and a host, "
                f"as in {DEFAULT_URL!r}."
            )

    def all_headers(self) -> dict[str, str]:
        """Give the headers of every call."""
        return {"user-agent": f"imgcls-client/{version('imgcls-client')}", **self.headers}

    def wait_s(self) -> float:
        """Say how long the next answer may take, in seconds."""
        if self.last_answer_at is None or time.monotonic() - self.last_answer_at > self.timeouts.warm_for_s:
            return self.timeouts.cold_start_s
        return self.timeouts.warm_s

    def timeout(self) -> httpx.Timeout:
        """Give the next call's time limits; waiting for a free connection counts as waiting for the answer."""
        wait_s = self.wait_s()
        return httpx.Timeout(wait_s, connect=self.timeouts.connect_s)

    def address(self, call: Call) -> str:
        """Give the full address of a call."""
        return self.url + call.path

    def answered(self, response: httpx.Response, started: float) -> Answer:
        """Take in an answer."""
        now = time.perf_counter()
        self.last_answer_at = time.monotonic()
        return Answer(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=response.content,
            call_ms=(now - started) * 1000,
        )

    @contextmanager
    def in_our_words(self, call: Call | None = None) -> Generator[None]:
        """Turn httpx's transport errors into this package's.

        Raises:
            UnreachableError: No connection, or it broke.
            AnswerTimeoutError: Connected, but no answer in time.
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
            raise UnreachableError(self.url, reason_of(error)) from error
        except httpx.InvalidURL as error:
            raise SettingsError(f"The address {self.url!r} cannot be used: {error}.") from error


def reason_of(error: httpx.TransportError) -> str:
    """Say in a few words what broke; the operating system's own error stands somewhere in the chain."""
    said = str(error) or type(error).__name__
    if not isinstance(error, httpx.ConnectError):
        return f"the connection broke ({said})" if isinstance(error, httpx.NetworkError | httpx.ProtocolError) else said
    for cause in causes_of(error):
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        if isinstance(cause, socket.gaierror):
            return f"the host name cannot be resolved ({cause.strerror})"
    return said


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Walk from an error to what led to it, members of groups included."""
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop()
        if found is None:
            continue
        yield found
        waiting.append(found.__cause__ or found.__context__)
        if isinstance(found, BaseExceptionGroup):
            waiting.extend(cast("BaseExceptionGroup[BaseException]", found).exceptions)
