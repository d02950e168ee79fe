"""What routes are handed: the service, the deadline, the watch on the caller."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import Depends, Header, Request

from imgcls_serve.bodies import Deadline
from imgcls_serve.errors import InvalidParameterError
from imgcls_serve.request_context import RequestContext, context_of
from imgcls_serve.service import Service


async def _service(request: Request) -> Service:
    return request.app.state.service


async def _context(request: Request) -> RequestContext:
    return context_of(request.scope)


ServiceDep = Annotated[Service, Depends(_service)]
ContextDep = Annotated[RequestContext, Depends(_context)]


async def _deadline(
    service: ServiceDep,
    x_request_timeout_ms: Annotated[
        int | None, Header(ge=1, description="Deadline for this request, in ms; a late answer is a 504.")
    ] = None,
) -> Deadline:
    limit = service.settings.max_request_timeout_ms
    timeout_ms = service.settings.request_timeout_ms if x_request_timeout_ms is None else x_request_timeout_ms
    if timeout_ms > limit:
        raise InvalidParameterError(f"`X-Request-Timeout-Ms` is {timeout_ms}; 1 to {limit} are allowed.")
    return Deadline(asyncio.get_running_loop().time() + timeout_ms / 1000, timeout_ms)


DeadlineDep = Annotated[Deadline, Depends(_deadline)]


class CallerWatch:
    """Cancels futures when the caller hangs up; the request's body must have been read.

    Use as a context manager around the wait.
    """

    def __init__(self, request: Request, futures: Iterable[asyncio.Future[Any]]) -> None:
        self._request = request
        self._futures = list(futures)

    async def _watch(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        for future in self._futures:
            future.cancel()

    def __enter__(self) -> None:
        self._task = asyncio.create_task(self._watch())

    def __exit__(self, *_: object) -> None:
        self._task.cancel()
        for future in self._futures:
            future.cancel()
