"""Wraps every request: its context and its keys before, the last resort for faults, and what is told of it after."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imgcls_serve.errors import CallerGoneError
from imgcls_serve.http import problems
from imgcls_serve.http.incoming_body import BODY
from imgcls_serve.http.request_context import KEY, RequestContext
from imgcls_serve.http.security import Gatekeeper
from imgcls_serve.http.url_fetch import UrlFetcher
from imgcls_serve.service import Service


class RequestMiddleware:
    """Gives each request its context and answers whatever nobody else answered.

    Args:
        app: what is wrapped.
        service: what answers.
        gatekeeper: who may do what.
        urls: fetches images from URLs; None where that is not allowed.
    """

    def __init__(self, app: ASGIApp, *, service: Service, gatekeeper: Gatekeeper, urls: UrlFetcher | None) -> None:
        self._app = app
        self._service = service
        self._gatekeeper = gatekeeper
        self._urls = urls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        context = scope[KEY] = RequestContext(scope, self._service, gatekeeper=self._gatekeeper, urls=self._urls)
        if (body := scope.get(BODY)) is not None:
            receive = partial(body.receive, receive)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                context.status = message["status"]
                message["headers"].extend(self._headers(context))
            await send(message)

        self._service.requests_in_flight += 1
        try:
            self._gatekeeper.check(scope["path"], context.headers)
            await self._app(scope, receive, send_with_id)
        except (CallerGoneError, ClientDisconnect) as error:
            context.code = "caller_gone"
            _forget_frames(error)
        except Exception as error:  # noqa: BLE001 - the one last resort of the process: logged, answered, survived
            response = problems.respond_to(Request(scope), error)
            _forget_frames(error)
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
        if (route := scope.get("route")) is not None:
            context.route = route.path
        service.requests_in_flight -= 1
        service.bodies.release(context)
        for model in context.held_models:
            service.on_demand.release(model)
        seconds = context.elapsed_ms / 1000
        for image in context.answered:
            service.metrics.image_answered(*image)
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
        service.request_lines.write(fields)
        if service.tracer is not None:
            service.tracer.request_answered(
                method=scope["method"],
                route=context.route,
                status=context.status,
                seconds=seconds,
                headers=context.headers,
                fields={"request_id": context.request_id, "code": context.code, **context.fields},
            )


def _forget_frames(error: BaseException) -> None:
    # They hold the body, and the future that holds the error: a cycle, which would live until the collector runs.
    error.__traceback__ = error.__context__ = None
