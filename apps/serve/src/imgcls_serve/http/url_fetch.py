"""Fetches an image from a URL that a caller names, without becoming a way into the network around the service.

The address that is connected to is the one that was checked: a name is resolved once for each connection and the
socket is opened to that very address, so that a second answer of the name server cannot matter.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Final, cast
from urllib.parse import SplitResult, urljoin, urlsplit

import httpcore

from imgcls_serve.errors import BodyTooLargeError, ServiceError, UrlFailedError, UrlRefusedError
from imgcls_serve.http.public_addresses import IpAddress, is_public

Resolver = Callable[[str, int], str]

MAX_REDIRECTS: Final = 3
_MAX_URL_LENGTH: Final = 2048
_MAX_FETCHES: Final = 8
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

_HEADERS: Final = (("Accept", "image/*"), ("Accept-Encoding", "identity"), ("User-Agent", "imgcls-serve"))


def resolve(host: str, port: int) -> str:
    """Gives the first address of a host."""
    return str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0])


class UrlFetcher:
    """Fetches images over http and https.

    Args:
        max_bytes: largest body.
        is_allowed: which addresses may be connected to.
        resolver: from a host and a port to an address.
    """

    def __init__(
        self, *, max_bytes: int, is_allowed: Callable[[IpAddress], bool] = is_public, resolver: Resolver = resolve
    ) -> None:
        self._max_bytes = max_bytes
        # Name servers that do not answer hold these threads and no others.
        self._lookups = ThreadPoolExecutor(_MAX_FETCHES, thread_name_prefix="imgcls-names")
        self._connections = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=_MAX_FETCHES,
            max_keepalive_connections=0,
            network_backend=_PinnedBackend(self._lookups, is_allowed, resolver),
        )

    async def fetch(self, url: str, *, timeout_s: float) -> bytes:
        """Fetches one image.

        Args:
            url: http or https.
            timeout_s: for everything: names, connections, redirects and the body.

        Raises:
            UrlRefusedError: a URL that is not fetched: another scheme, credentials, not a public address.
            UrlFailedError: no answer in time, or another one than an image.
            BodyTooLargeError: more than `max_bytes`.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._follow(url)
        except ServiceError:
            raise
        except TimeoutError:
            raise UrlFailedError("it did not answer in time") from None
        except (OSError, httpcore.NetworkError, httpcore.ProtocolError, UnicodeError) as error:
            raise UrlFailedError("its host cannot be reached or does not answer as a web server") from error

    def close(self) -> None:
        """Takes no more work."""
        self._lookups.shutdown(wait=False, cancel_futures=True)

    async def _follow(self, url: str) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            reply = await self._get(url, _checked(url))
            if isinstance(reply, bytes):
                return reply
            url = urljoin(url, reply)
        raise UrlFailedError(f"it redirects more than {MAX_REDIRECTS} times")

    async def _get(self, url: str, parts: SplitResult) -> bytes | str:
        """Gives the body, or where to go instead."""
        async with self._connections.stream("GET", url, headers=[("Host", parts.netloc), *_HEADERS]) as response:
            if response.status in _REDIRECTS:
                for name, value in response.headers:
                    if name.lower() == b"location":
                        return value.decode("latin-1")
            if response.status != HTTPStatus.OK:
                raise UrlFailedError(f"its host answers {response.status}")
            body = bytearray()
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) > self._max_bytes:
                    raise BodyTooLargeError(limit=self._max_bytes)
            return bytes(body)


class _PinnedBackend(httpcore.AsyncNetworkBackend):
    """Connects to the very address that it has resolved and checked; TLS still asks for the host's own name."""

    def __init__(
        self, lookups: ThreadPoolExecutor, is_allowed: Callable[[IpAddress], bool], resolver: Resolver
    ) -> None:
        self._lookups = lookups
        self._is_allowed = is_allowed
        self._resolve = resolver
        self._network = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as httpcore calls it
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Opens a connection to a host's address.

        Raises:
            UrlRefusedError: the address may not be connected to.
        """
        loop = asyncio.get_running_loop()
        address = await loop.run_in_executor(self._lookups, self._resolve, host, port)
        if not self._is_allowed(ipaddress.ip_address(address)):
            raise UrlRefusedError("its host is not a public address")
        return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)


def _checked(url: str) -> SplitResult:
    if len(url) > _MAX_URL_LENGTH or not url.isascii() or any(sign <= " " for sign in url):
        raise UrlRefusedError(f"it must be ASCII without spaces, at most {_MAX_URL_LENGTH} characters")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise UrlRefusedError("it is not a URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UrlRefusedError("only http:// and https:// URLs are fetched")
    if parts.username is not None or parts.password is not None:
        raise UrlRefusedError("it carries a user name or a password")
    return parts
