"""Wraps every request: its context, its log line, the last resort for faults, the short way to the hot route."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imgcls_serve import problems
from imgcls_serve.errors import CallerGoneError
from imgcls_serve.log_lines import write_line
from imgcls_serve.request_context import KEY, RequestContext
from imgcls_serve.service import Service

logger = logging.getLogger(__name__)

DirectHandler = Callable[[Request], Awaitable[Response]]


class RequestMiddleware:
    """Gives each request its context and answers whatever nobody else answered.

    Args:
        app: what is wrapped.
        service: what answers.
        direct: POST routes by path that skip the framework's routing and dependency injection. Those cost about
            0.2 ms of a core, which is 2 % of a small network's inference; the application has the same routes, for
            OpenAPI.
    """

    def __init__(self, app: ASGIApp, *, service: Service, direct: Mapping[str, DirectHandler]) -> None:
        self._app = app
        self._service = service
        self._direct = direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        context = scope[KEY] = RequestContext(scope, self._service)
        if context.body is not None:
            receive = partial(context.body.receive, receive)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                context.status = message["status"]
                message["headers"].extend(self._headers(context))
            await send(message)

        self._service.requests_in_flight += 1
        try:
            handler = self._direct.get(scope["path"]) if scope["method"] == "POST" else None
            self._service.gatekeeper.check(scope["path"], context.headers)
            if handler is not None:
                context.route = scope["path"]
                response = await handler(Request(scope, receive))
                context.status = response.status_code
                response.raw_headers.extend(self._headers(context))
                await response(scope, receive, send)
            else:
                await self._app(scope, receive, send_with_id)
                if (route := scope.get("route")) is not None:
                    context.route = route.path
        except (CallerGoneError, ClientDisconnect):
            context.code = "caller_gone"
        except Exception as error:  # noqa: BLE001 - the one last resort of the process: logged, answered, survived
            response = problems.respond_to(Request(scope), error)
            if not context.status:
                await response(scope, receive, send_with_id)
        finally:
            self._end(scope, context)

    def _headers(self, context: RequestContext) -> Iterator[tuple[bytes, bytes]]:
        yield b"x-request-id", context.request_id.encode()
        if self._service.is_draining:
            # The next request shall find another replica instead of a connection that is about to close.
            yield b"connection", b"close"

    def _end(self, scope: Scope, context: RequestContext) -> None:
        service = self._service
        service.requests_in_flight -= 1
        service.bytes_held -= context.held_bytes
        seconds = context.elapsed_ms / 1000
        service.metrics.request_answered(context.route, context.status, context.code, seconds)
        fields = {
            "method": scope["method"],
            "path": scope["path"],
            "request_id": context.request_id,
            "status": context.status,
            "code": context.code,
            "total_ms": round(context.elapsed_ms, 3),
            **context.fields,
        }
        write_line(logger, "request", fields)
        if service.tracer is not None:
            service.tracer.request_answered(
                method=scope["method"],
                route=context.route,
                status=context.status,
                seconds=seconds,
                headers=context.headers,
                fields={"request_id": context.request_id, "code": context.code, **context.fields},
            )
