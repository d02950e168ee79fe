"""Fetches an image from a URL that a caller names, without becoming a way into the network around the service.

The address that is connected to is the one that was checked: a name is resolved once for each hop and the socket is
opened to that very address, so that a second answer of the name server cannot matter.
"""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from imgcls_serve.errors import BodyTooLargeError, ServiceError, UrlFailedError, UrlRefusedError

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], str]

MAX_REDIRECTS: Final = 3
_LATE: Final = "it did not answer in time"
_MAX_URL_LENGTH: Final = 2048
_THREADS: Final = 8
_CHUNK_BYTES: Final = 65_536
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

# Azure's metadata service has a public address; NAT64 maps any IPv4 address, private ones too, into this prefix.
_AZURE_METADATA: Final = ipaddress.ip_address("168.63.129.16")
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: IpAddress) -> bool:
    """Whether an address is on the open internet: not private, loopback, link-local, shared, reserved or metadata."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast and address != _AZURE_METADATA


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
        self._is_allowed = is_allowed
        self._resolve = resolver
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="imgcls-url")
        self._tls = ssl.create_default_context()

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
        fetch = _Fetch(time.monotonic() + timeout_s)
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._follow, url, fetch)
        try:
            return await asyncio.wait_for(asyncio.shield(work), timeout_s)
        except TimeoutError:
            raise UrlFailedError(_LATE) from None
        finally:
            # Also when the caller has gone: a thread that waits on a slow sender is set free.
            fetch.abort()
            work.add_done_callback(_forget)

    def close(self) -> None:
        """Takes no more work."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _follow(self, url: str, fetch: _Fetch) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            parts = _checked(url)
            try:
                reply = self._get(parts, fetch)
                if isinstance(reply, bytes):
                    return reply
            except ServiceError:
                raise
            except TimeoutError:
                raise UrlFailedError(_LATE) from None
            except (OSError, http.client.HTTPException, UnicodeError) as error:
                raise UrlFailedError("its host cannot be reached or does not answer as a web server") from error
            url = urljoin(url, reply)
        raise UrlFailedError(f"it redirects more than {MAX_REDIRECTS} times")

    def _get(self, parts: SplitResult, fetch: _Fetch) -> bytes | str:
        """Gives the body, or where to go instead."""
        host = str(parts.hostname)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        address = self._resolve(host, port)
        if not self._is_allowed(ipaddress.ip_address(address)):
            raise UrlRefusedError("its host is not a public address")
        connection = http.client.HTTPConnection(host, port)
        try:
            connection.sock = fetch.connect((address, port))
            if parts.scheme == "https":
                connection.sock = fetch.adopt(self._tls.wrap_socket(connection.sock, server_hostname=host))
            path = parts.path or "/"
            headers = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "imgcls-serve"}
            connection.request("GET", f"{path}?{parts.query}" if parts.query else path, headers=headers)
            with connection.getresponse() as response:
                if response.status in _REDIRECTS and (location := response.getheader("Location")):
                    return location
                if response.status != http.client.OK:
                    raise UrlFailedError(f"its host answers {response.status}")
                return self._read(response, fetch)
        finally:
            fetch.close()

    def _read(self, response: http.client.HTTPResponse, fetch: _Fetch) -> bytes:
        body = bytearray()
        while chunk := response.read1(_CHUNK_BYTES):
            body += chunk
            if len(body) > self._max_bytes:
                raise BodyTooLargeError(limit=self._max_bytes)
            fetch.check()
        return bytes(body)


class _Fetch:
    """The socket and the deadline of one fetch; can be aborted from another thread."""

    def __init__(self, until_s: float) -> None:
        self._until_s = until_s
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_aborted = False

    def connect(self, address: tuple[str, int]) -> socket.socket:
        self.check()
        return self.adopt(socket.create_connection(address, max(0.001, self._until_s - time.monotonic())))

    def adopt(self, opened: socket.socket) -> socket.socket:
        with self._lock:
            self._socket = opened
        self.check()
        return opened

    def close(self) -> None:
        with self._lock:
            if self._socket is not None:
                self._socket.close()
            self._socket = None

    def check(self) -> None:
        if self._is_aborted or time.monotonic() > self._until_s:
            raise TimeoutError

    def abort(self) -> None:
        with self._lock:
            self._is_aborted = True
            if self._socket is not None:
                try:
                    self._socket.shutdown(socket.SHUT_RDWR)
                except OSError:
                    return  # it was not connected any more


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


def _forget(work: asyncio.Future[bytes]) -> None:
    # What it raised after its caller had stopped waiting interests nobody.
    if not work.cancelled():
        work.exception()
