"""Puts the application together; decides nothing itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from imgcls_serve import __version__, problems
from imgcls_serve.middleware import RequestMiddleware
from imgcls_serve.openapi import openapi_document
from imgcls_serve.routes import batch, drift, metrics, models, page, predict, state, v2
from imgcls_serve.service import Service


def create_app(service: Service) -> ASGIApp:
    """Gives the ASGI application; its lifespan starts and stops the service."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        service.start()
        yield
        await service.stop()

    app = _routes(lifespan, root_path=service.settings.root_path)
    return RequestMiddleware(app, service=service, direct={"/predict": predict.answer})


def openapi() -> dict[str, Any]:
    """Gives the OpenAPI document without starting anything."""
    return openapi_document(_routes())


def _routes(
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None, *, root_path: str | None = None
) -> FastAPI:
    app = FastAPI(
        title="imgcls",
        version=__version__,
        summary="Image classification over HTTP.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's page loads its scripts from elsewhere; `routes/page.py` has one that does not
        redoc_url=None,
        redirect_slashes=False,
    )
    app.openapi = lambda: openapi_document(app, root_path=root_path)
    problems.install(app)
    for module in (predict, batch, state, models, drift, metrics, v2, page):
        app.include_router(module.router)
    return app
