"""A total time for one call: httpx limits each wait for bytes, and a byte now and then could hold a caller for ever."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager

import httpcore
import httpx


class _Now(threading.local):
    """The deadline of this thread's call, as `time.monotonic` counts."""

    ends_at: float = float("inf")


_NOW = _Now()


@contextmanager
def total_time(limit_s: float) -> Generator[None]:
    """Limits everything that this thread sends and receives in the block through a `DeadlineTransport`."""
    _NOW.ends_at = time.monotonic() + limit_s
    try:
        yield
    finally:
        _NOW.ends_at = float("inf")


def _left_s(timeout: float | None) -> float | None:
    left_s = _NOW.ends_at - time.monotonic()
    if left_s <= 0:
        raise httpcore.ReadTimeout("the time for the whole call is over")
    return min(left_s, float("inf") if timeout is None else timeout) if left_s != float("inf") else timeout


class _Stream(httpcore.NetworkStream):
    """A stream that waits for bytes, and sends, no longer than the call may take."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left_s(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left_s(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(super().connect_tcp(host, port, timeout, local_address, socket_options))


def limit_total_time(client: httpx.Client) -> None:
    """Makes a client's connections know the deadline of the call.

    httpx has no public place for this that keeps the proxies of the environment. Where a later version has its pool
    elsewhere, the time is still asked after every part of an answer.
    """
    transports = [getattr(client, "_transport", None), *getattr(client, "_mounts", {}).values()]
    for pool in (getattr(transport, "_pool", None) for transport in transports):
        if hasattr(pool, "_network_backend"):
            pool._network_backend = _Backend()  # pyright: ignore[reportOptionalMemberAccess]
