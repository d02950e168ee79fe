"""What an answer from outside may cost: time in all, bytes in all, and how slowly they may come.

HTTP clients limit each wait for bytes alone: a byte now and then, headers or `100 Continue` without end would hold a
caller for ever, and a small compressed answer can become gigabytes. Here the bytes of connections are watched, of
httpx's clients and of libraries that have such a client; whoever reads otherwise uses a `Meter`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

_C = TypeVar("_C")
# For so long a slow answer is only slow: names are looked up, a busy host makes up its mind.
_PATIENCE_S: Final = 60.0


class BoundsError(Exception):
    """An answer costs more than it may; the text says in what, and continues "its answer …"."""


class TotalTimeError(BoundsError):
    """It takes longer than it may, in all."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one answer may cost.

    Attributes:
        total_s: from the first byte sent to the last byte read, in seconds.
        most_bytes: in all, headers included.
        least_bytes_per_s: on average, after the first minute.
    """

    total_s: float
    most_bytes: float = float("inf")
    least_bytes_per_s: int = 0


# An answer of some kB: a document, or a status alone.
SHORT_ANSWER: Final = Bounds(60, 16 << 20)
# An image of the service's largest size is 20 MB; what is far larger is not an image.
IMAGE: Final = Bounds(120, 64 << 20)
# The largest classifiers have 10 GB; below 16 kB/s they would take a week.
WEIGHTS: Final = Bounds(6 * 3600, 32 << 30, 16_000)
# A list of 10^8 images' addresses.
LISTING: Final = Bounds(24 * 3600, 32 << 30, 16_000)


class Meter:
    """Counts what one answer has cost since it was made."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds, self._began_s, self._bytes = bounds, time.monotonic(), 0

    def take(self, size_bytes: int = 0) -> None:
        """Counts bytes that have come.

        Raises:
            BoundsError: these are too many, too late or too few for the time.
        """
        self._bytes += size_bytes
        if self._bytes > self._bounds.most_bytes:
            raise BoundsError(f"is longer than {int(self._bounds.most_bytes) >> 20:,} MiB")
        passed_s = time.monotonic() - self._began_s
        if passed_s >= self._bounds.total_s:
            raise TotalTimeError(f"is not there after {self._bounds.total_s:g} s")
        if self._bytes < self._bounds.least_bytes_per_s * (passed_s - _PATIENCE_S):
            raise TotalTimeError(f"comes slower than {self._bounds.least_bytes_per_s // 1000} kB/s")

    def wait_s(self, longest_s: float | None) -> float:
        """Gives how long the next wait may be, in seconds; raises as `take`."""
        self.take()
        left_s = self._began_s + self._bounds.total_s - time.monotonic()
        return left_s if longest_s is None else min(left_s, longest_s)


class _Now(threading.local):
    """The meter of what this thread asks."""

    meter: Meter | None = None


_NOW = _Now()


@contextmanager
def bounded(bounds: Bounds) -> Generator[None]:
    """Holds everything that this thread asks in the block, through clients of `limit`, within bounds in all.

    Raises:
        BoundsError: it costs more.
    """
    before, _NOW.meter = _NOW.meter, Meter(bounds)
    try:
        yield
    finally:
        _NOW.meter = before


def limit(client: _C, *, refuses_compressed: bool = True) -> _C:
    """Makes a synchronous client know the bounds of the thread that asks; gives the client.

    httpx has no public place for this that keeps the proxies of the environment.

    Args:
        client: of httpx or httpx2.
        refuses_compressed: raises for a compressed answer; else its reader asks `check_encoding`.
    """
    found: Any = client
    for transport in (found._transport, *found._mounts.values()):
        pool = getattr(transport, "_pool", None)
        if pool is not None and not isinstance(pool._network_backend, _Backend):
            pool._network_backend = _Backend(pool._network_backend)
    found.headers["accept-encoding"] = "identity"
    if refuses_compressed and _refuse_compressed not in found.event_hooks["response"]:
        found.event_hooks["response"].append(_refuse_compressed)
    return client


def check_encoding(encoding: str | None) -> None:
    """Looks at an answer's `Content-Encoding`.

    Raises:
        BoundsError: it is compressed.
    """
    if encoding and encoding.lower() != "identity":
        raise BoundsError(f"is compressed ({encoding[:20]}), which nobody asked for")


def _refuse_compressed(response: Any) -> None:  # noqa: ANN401 - of either client
    if _NOW.meter is not None and response.request.method != "HEAD":
        check_encoding(response.headers.get("content-encoding"))


class _Stream:
    """A connection that waits, and sends, no longer than the answer may take."""

    def __init__(self, inner: Any) -> None:  # noqa: ANN401 - of httpcore or httpcore2
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if (meter := _NOW.meter) is None:
            return self._inner.read(max_bytes, timeout)
        content = b""
        try:
            content = self._inner.read(max_bytes, meter.wait_s(timeout))
            return content
        finally:  # the bound is told, and not that the last wait was short
            meter.take(len(content))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout if _NOW.meter is None else _NOW.meter.wait_s(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, *given: Any, **named: Any) -> _Stream:  # noqa: ANN401
        return _Stream(self._inner.start_tls(*given, **named))

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401
        return self._inner.get_extra_info(info)


class _Backend:
    """Opens connections as the one it stands before."""

    def __init__(self, inner: Any) -> None:  # noqa: ANN401
        self._inner = inner

    def connect_tcp(self, *given: Any, **named: Any) -> _Stream:  # noqa: ANN401
        return _Stream(self._inner.connect_tcp(*given, **named))

    def connect_unix_socket(self, *given: Any, **named: Any) -> _Stream:  # noqa: ANN401
        return _Stream(self._inner.connect_unix_socket(*given, **named))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)
