"""`GET /models` and the admin routes that load models and choose the default one."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from imgcls_contract import ModelReply, ModelsReply

from imgcls_serve.http.request_context import context_of
from imgcls_serve.routes.answers import json_reply
from imgcls_serve.routes.dependencies import ADMIN, ServiceDep
from imgcls_serve.routes.documented import replies
from imgcls_serve.service import Service

router = APIRouter(tags=["models"])

ModelPath = Annotated[str, Path(description="What `GET /models` calls it.")]


@router.get("/models", responses=replies(ModelsReply, 401, 403))
async def list_models(service: ServiceDep) -> Response:
    """Lists the models that are loaded or could be."""
    return json_reply(await _models(service))


@router.post("/models/{name}/load", dependencies=[ADMIN], responses=replies(ModelReply, 401, 403, 404, 422))
async def load_model(service: ServiceDep, name: ModelPath) -> Response:
    """Loads a model, or loads it again from its file, without losing a request.

    The new one is warmed and must reproduce its golden answers before it takes the old one's place; a file that
    cannot be served is refused and changes nothing.
    """
    await service.load_model(name)
    return json_reply(_reply(service, name))


@router.post("/models/{name}/default", dependencies=[ADMIN], responses=replies(ModelsReply, 401, 403, 404, 422))
async def set_default_model(request: Request, service: ServiceDep, name: ModelPath) -> Response:
    """Lets a loaded model answer the requests that name none."""
    await context_of(request.scope).model(name)
    await service.together.set_default(name)
    return json_reply(await _models(service))


async def _models(service: Service) -> ModelsReply:
    names = {*service.registry.known, *await asyncio.to_thread(service.registry.files)}
    return ModelsReply(default=service.registry.default_name, models=[_reply(service, name) for name in sorted(names)])


def _reply(service: Service, name: str) -> ModelReply:
    is_default = name == service.registry.default_name
    if (model := service.registry.known.get(name)) is None:
        return ModelReply(name=name, loaded=False, default=is_default)
    metadata = model.metadata
    return ModelReply(
        name=name,
        loaded=model.is_resident,
        memory_bytes=model.bytes if model.is_resident else None,
        default=is_default,
        sha256=model.sha256,
        artifact_name=metadata.name,
        architecture=metadata.source.architecture,
        precision=metadata.source.precision,
        classes=len(metadata.classes),
        input_size=list(metadata.preprocessing.size),
        decode=metadata.preprocessing.decode,
        provider=model.provider,
        sealed=model.seal is not None,
        seal=model.seal,
        signed_by=model.signed_by,
        terms=metadata.source.terms,
        accuracy=metadata.accuracy,
    )
