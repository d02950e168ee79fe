"""What FastAPI hands to routes: the service, and the check of the admin token."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from imgcls_serve.http.request_context import context_of
from imgcls_serve.service import Service


async def _service(request: Request) -> Service:
    return context_of(request.scope).service


async def _require_admin(request: Request) -> None:
    context = context_of(request.scope)
    context.gatekeeper.check_admin(context.headers)


async def _is_stranger(request: Request) -> bool:
    context = context_of(request.scope)
    return context.gatekeeper.is_stranger(context.headers)


IsStranger = Annotated[bool, Depends(_is_stranger)]
ServiceDep = Annotated[Service, Depends(_service)]
ADMIN = Depends(_require_admin)
