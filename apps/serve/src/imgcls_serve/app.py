"""Puts the application together; decides nothing itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from imgcls_serve import __version__, problems
from imgcls_serve.middleware import InFlight, RequestMiddleware
from imgcls_serve.routes import predict, state
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
    for module in (predict, state):
        app.include_router(module.router)
    return app


def create_app(service: Service, *, in_flight: InFlight | None = None) -> ASGIApp:
    """Gives the whole ASGI application.

    Args:
        service: not yet started.
        in_flight: is kept up to date with the number of requests being answered.
    """
    return RequestMiddleware(
        create_api(service),
        service=service,
        in_flight=in_flight or InFlight(),
        direct={"/predict": predict.answer},
    )
