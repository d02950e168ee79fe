"""A route that is documented by FastAPI and answered without its dependency injection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from imgcls_serve.http.requests import PredictQuery, read_query

Endpoint = Callable[[Request, PredictQuery], Awaitable[Response]]


class DirectRoute(APIRoute):
    """Calls an endpoint `(request, query)` with the query read by its own model.

    FastAPI's way to it solves dependencies and opens two exit stacks for each request, for nothing here.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - as FastAPI's
        super().__init__(path, endpoint, **options)
        answer = cast("Endpoint", endpoint)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive)
            response = await answer(request, read_query(request))
            await response(scope, receive, send)

        self.app = app
