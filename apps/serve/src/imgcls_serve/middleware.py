"""Wraps every request: its id, the last resort for faults of ours, the count of what is in flight."""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imgcls_serve import problems
from imgcls_serve.log_lines import FIELDS
from imgcls_serve.request_context import KEY, RequestContext, header, new_request_id

logger = logging.getLogger(__name__)


class InFlight:
    """How many requests are being answered, for the end of the process to wait on."""

    def __init__(self) -> None:
        self.count = 0


class RequestMiddleware:
    """Gives each request its context and answers whatever nobody else answered.

    Args:
        app: what is wrapped.
        in_flight: is kept up to date.
    """

    def __init__(self, app: ASGIApp, *, in_flight: InFlight) -> None:
        self._app = app
        self._in_flight = in_flight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        context = scope[KEY] = RequestContext(new_request_id(header(scope, b"x-request-id")))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                context.status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", context.request_id.encode())]
            await send(message)

        self._in_flight.count += 1
        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:  # noqa: BLE001 - the one last resort of the process: logged, answered, survived
            response = problems.respond_to(Request(scope), error)
            if not context.status:
                await response(scope, receive, send_with_id)
        finally:
            self._in_flight.count -= 1
            _log(scope, context)


def _log(scope: Scope, context: RequestContext) -> None:
    logger.info(
        "%s %s",
        scope["method"],
        scope["path"],
        extra={
            FIELDS: {
                "request_id": context.request_id,
                "status": context.status,
                "code": context.code,
                "total_ms": round(context.elapsed_ms, 3),
                **context.fields,
            }
        },
    )
