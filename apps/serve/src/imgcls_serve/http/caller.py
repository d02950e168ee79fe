"""Who the caller of a request is, and whether it is still there; work for one who has gone is cancelled."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Sequence
from typing import Any, Final

from starlette.requests import Request

from imgcls_serve.errors import CallerGoneError

# Key of the ASGI scope under which a request finds its connection's `LostSignal`.
LOST: Final = "imgcls.lost"


# A household or a server has this much of IPv6 by itself, and could be as many callers as it likes.
_IPV6_PREFIX: Final = 64


def network_of(client: tuple[str, int] | None) -> str:
    """Gives the address that counts as one caller: of IPv4 each, of IPv6 each network of 64 bits."""
    if client is None:
        return ""
    host = client[0]
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host.partition("%")[0])
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, _IPV6_PREFIX), strict=False))


class LostSignal:
    """Tells whoever works for a connection that its caller has hung up.

    Attributes:
        is_lost: whether that has happened.
        callbacks: are called when it happens, once.
    """

    def __init__(self) -> None:
        self.is_lost = False
        self.callbacks: set[Callable[[], None]] = set()

    def tell(self) -> None:
        """The caller has hung up."""
        self.is_lost = True
        for callback in list(self.callbacks):
            callback()


class CallerWatch:
    """Cancels futures when the caller hangs up; a context manager around the wait for them.

    Our own connections call back. Another server's are asked with a task, which costs a request some 30 µs.

    Args:
        request: its body must have been read.
        futures: are all cancelled at the end, so that nothing is done for an answer that nobody reads.
    """

    def __init__(self, request: Request, futures: Sequence[asyncio.Future[Any]]) -> None:
        self._receive = request.receive
        self._lost: LostSignal | None = request.scope.get(LOST)
        self._futures = futures
        self._task: asyncio.Task[None] | None = None
        self._is_gone = False

    def __enter__(self) -> None:
        if self._lost is not None:
            self._lost.callbacks.add(self._gone)
            if self._lost.is_lost:
                self._gone()
        else:
            self._task = asyncio.create_task(self._watch())

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._lost is not None:
            self._lost.callbacks.discard(self._gone)
        if self._task is not None:
            self._task.cancel()
        for future in self._futures:
            future.cancel()
        if self._is_gone and kind is asyncio.CancelledError:
            raise CallerGoneError

    def _gone(self) -> None:
        self._is_gone = True
        for future in self._futures:
            future.cancel()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone()
