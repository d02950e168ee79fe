"""Puts the application together; decides nothing itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from imgcls_serve import __version__, problems
from imgcls_serve.middleware import RequestMiddleware
from imgcls_serve.routes import batch, metrics, models, predict, state, v2
from imgcls_serve.service import Service


def create_api(service: Service) -> FastAPI:
    """Gives the routes; the application's lifespan starts and stops the service."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        service.start()
        yield
        await service.stop()

    app = FastAPI(title="imgcls", version=__version__, summary="Image classification over HTTP.", lifespan=lifespan)
    problems.install(app)
    for module in (predict, batch, state, models, metrics, v2):
        app.include_router(module.router)
    return app


def create_app(service: Service) -> ASGIApp:
    """Gives the whole ASGI application for a service that is not yet started."""
    return RequestMiddleware(create_api(service), service=service, direct={"/predict": predict.answer})
