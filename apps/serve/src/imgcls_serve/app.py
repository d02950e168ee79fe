"""Puts the application together; decides nothing itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from imgcls_serve import __version__
from imgcls_serve.cors import with_cors
from imgcls_serve.http.middleware import RequestMiddleware
from imgcls_serve.http.security import Gatekeeper
from imgcls_serve.http.url_fetch import UrlFetcher
from imgcls_serve.openapi import openapi_document
from imgcls_serve.routes import batch, drift, models, page, predict, state, v2
from imgcls_serve.routes.answers import KeptReplies
from imgcls_serve.routes.direct_route import DirectRoute
from imgcls_serve.service import Service


class _Application(FastAPI):
    """FastAPI without its own layers for errors: `RequestMiddleware` answers all of them in one place."""

    def build_middleware_stack(self) -> ASGIApp:
        """Gives the router with the one layer that it needs, and the routes that need neither by their path.

        The layers and patterns between a request and a `DirectRoute` cost a tenth of a millisecond of the event loop.
        """
        others = AsyncExitStackMiddleware(self.router)
        direct = {route.path: route for route in self.router.routes if isinstance(route, DirectRoute)}

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            route = direct.get(scope.get("path", ""))
            if route is None or scope["method"] not in (route.methods or ()):
                await others(scope, receive, send)
                return
            scope["route"] = route
            await route.app(scope, receive, send)

        return app


def create_app(service: Service) -> ASGIApp:
    """Gives the ASGI application; its lifespan starts and stops the service."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        service.start()
        yield
        if urls is not None:
            urls.close()
        await service.stop()

    settings = service.settings
    urls = UrlFetcher(max_bytes=settings.max_image_bytes) if settings.allow_urls else None
    app = _routes(lifespan, root_path=settings.root_path)
    answering = RequestMiddleware(app, service=service, gatekeeper=Gatekeeper.of(settings), urls=urls)
    return with_cors(answering, settings.cors_origin_list)


def openapi() -> dict[str, Any]:
    """Gives the OpenAPI document without starting anything."""
    return openapi_document(_routes())


def _routes(
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None, *, root_path: str | None = None
) -> FastAPI:
    app = _Application(
        title="imgcls",
        version=__version__,
        summary="Image classification over HTTP.",
        lifespan=lifespan,
        openapi_url=None,  # made once, below; FastAPI's own is encoded for each caller
        docs_url=None,  # FastAPI's page loads its scripts from elsewhere; `routes/page.py` has one that does not
        redoc_url=None,
        redirect_slashes=False,
        # `observing/tracing.py` makes the spans; asking whether FastAPI should costs each request 8 µs.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    kept = KeptReplies()

    @app.get("/openapi.json", include_in_schema=False)
    async def document(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        return kept.respond(request, "openapi", lambda: openapi_document(app, root_path=root_path))

    for module in (predict, batch, state, models, drift, v2, page):
        # Not `include_router`: it wraps each route, which costs every request and loses `DirectRoute`.
        app.router.routes.extend(module.router.routes)
    return app
