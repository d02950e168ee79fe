"""What routes are handed: the request's context and its service, and the wait for answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Request

from imgcls_serve.connections import LOST, LostSignal
from imgcls_serve.engine.job import Answer
from imgcls_serve.errors import CallerGoneError
from imgcls_serve.request_context import RequestContext, context_of
from imgcls_serve.service import Service


async def _context(request: Request) -> RequestContext:
    return context_of(request.scope)


async def _service(request: Request) -> Service:
    return context_of(request.scope).service


async def _require_admin(request: Request) -> None:
    context = context_of(request.scope)
    context.service.gatekeeper.check_admin(context.headers)


ContextDep = Annotated[RequestContext, Depends(_context)]
ServiceDep = Annotated[Service, Depends(_service)]
ADMIN = Depends(_require_admin)


class CallerWatch:
    """Cancels futures when the caller hangs up; a context manager around the wait for them.

    Our own connections call back. Another server's are asked with a task, which costs a request some 30 µs.

    Args:
        request: its body must have been read.
        futures: are all cancelled at the end, so that nothing is done for an answer that nobody reads.
    """

    def __init__(self, request: Request, futures: Sequence[asyncio.Future[Answer]]) -> None:
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
