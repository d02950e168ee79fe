"""`/v2`: the Open Inference Protocol over REST, so that Triton's and KServe's clients work unchanged."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, Final

import numpy as np
from fastapi import APIRouter, Path, Request, Response
from imgcls_core.inference.top_k import top_k

from imgcls_serve import __version__
from imgcls_serve.errors import UnknownModelError, UnsupportedMediaTypeError
from imgcls_serve.http.bodies import read_body
from imgcls_serve.http.caller import CallerWatch
from imgcls_serve.http.request_context import context_of
from imgcls_serve.models.served_model import ServedModel
from imgcls_serve.routes.answers import image_answer
from imgcls_serve.routes.dependencies import ADMIN, ServiceDep
from imgcls_serve.routes.documented import CHECK_HEADER, INFER_BODY, TIMEOUT_HEADER, problems
from imgcls_serve.routes.predict import check_top_k
from imgcls_serve.routes.tensors import ENCODED, PIXELS, PROBABILITIES, encode_output, images_of, parse_request
from imgcls_serve.service import Service

router = APIRouter(prefix="/v2", tags=["open inference protocol"])

EXTENSIONS: Final = ["binary_tensor_data", "classification", "model_repository"]
VERSION: Final = "1"
JSON_LENGTH: Final = "Inference-Header-Content-Length"

ModelPath = Annotated[str, Path(description="What `GET /models` calls it.")]


@router.get("")
async def server() -> dict[str, Any]:
    """Names the server and the extensions it knows."""
    return {"name": "imgcls-serve", "version": __version__, "extensions": EXTENSIONS}


@router.head("/health/live", include_in_schema=False)
@router.get("/health/live")
async def live() -> dict[str, bool]:
    """Says that the process can answer."""
    return {"live": True}


@router.head("/health/ready", include_in_schema=False)
@router.get("/health/ready", responses=problems(503))
async def ready(service: ServiceDep) -> dict[str, bool]:
    """Says whether images are answered, as `/ready`."""
    service.check_takes_more()
    return {"ready": True}


@router.get("/models/{name}", responses=problems(401, 403, 404, 422, 503))
@router.get("/models/{name}/versions/{version}", responses=problems(401, 403, 404, 422, 503))
async def metadata(request: Request, name: ModelPath, version: str = VERSION) -> dict[str, Any]:
    """Describes a model's tensors; a request sends one of the two inputs."""
    model = await _known(request, name, version)
    return {
        "name": name,
        "versions": [VERSION],
        "platform": "onnxruntime_onnx",
        "inputs": [
            {"name": PIXELS, "datatype": "UINT8", "shape": [-1, -1, -1, 3]},
            {"name": ENCODED, "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [{"name": PROBABILITIES, "datatype": "FP32", "shape": [-1, len(model.metadata.classes)]}],
    }


@router.get("/models/{name}/ready", responses=problems(401, 403, 404, 422, 503))
@router.get("/models/{name}/versions/{version}/ready", responses=problems(401, 403, 404, 422, 503))
async def model_ready(request: Request, name: ModelPath, version: str = VERSION) -> dict[str, Any]:
    """Says whether a model answers images."""
    await _known(request, name, version)
    return {"name": name, "ready": True}


@router.post(
    "/models/{name}/infer",
    responses=problems(400, 401, 403, 404, 408, 413, 415, 422, 500, 503, 504),
    openapi_extra={"requestBody": INFER_BODY, "parameters": [TIMEOUT_HEADER, CHECK_HEADER]},
)
@router.post(
    "/models/{name}/versions/{version}/infer",
    responses=problems(400, 401, 403, 404, 408, 413, 415, 422, 500, 503, 504),
    openapi_extra={"requestBody": INFER_BODY, "parameters": [TIMEOUT_HEADER, CHECK_HEADER]},
)
async def infer(request: Request, service: ServiceDep, name: ModelPath, version: str = VERSION) -> Response:
    """Answers images: `images` UINT8 [N, H, W, 3] RGB, or `encoded_images` BYTES [N] of any format."""
    context = context_of(request.scope)
    deadline, settings = context.deadline, service.settings
    model, scheduler = await _model(request, name, version), service.scheduler
    scheduler.check_admission(deadline, caller=context.caller)
    if (encoding := context.header(b"content-encoding")) not in {None, "", "identity"}:
        raise UnsupportedMediaTypeError(f"content encoding {encoding}", allowed="a body that is not compressed")
    body = await read_body(request, context, limit=settings.max_body_bytes)
    asked, binary = await parse_request(body, context.header(JSON_LENGTH.lower().encode()))
    output = asked.output
    k = output.parameters.classification
    check_top_k(model, max(1, k))
    images = images_of(asked, binary, max_images=context.service.most_images)
    scheduler.check_admission(deadline, len(images), caller=context.caller)
    futures = [
        scheduler.submit(model, image, deadline, caller=context.caller, is_counted=not context.is_check)
        for image in images
    ]
    with CallerWatch(request, futures):
        results = await asyncio.gather(*futures)
    for one in results:
        image_answer(context, model, one, k=1, with_probabilities=False)
    entry, packed = encode_output(
        np.stack([one.probabilities for one in results]),
        output,
        [top_k(one.probabilities, model.metadata.classes, k) for one in results]
        if output.parameters.classification
        else [],
    )
    context.fields.update(model=model.name, model_sha256=model.sha256[:12], images=len(images))
    reply: dict[str, Any] = {"model_name": name, "model_version": VERSION, "outputs": [entry]}
    if asked.id is not None:
        reply["id"] = asked.id
    text = json.dumps(reply, ensure_ascii=False).encode()
    if packed:
        headers = {JSON_LENGTH: str(len(text))}
        return Response(text + packed, media_type="application/octet-stream", headers=headers)
    return Response(text, media_type="application/json")


@router.post("/repository/index", responses=problems(401, 403))
async def index(service: ServiceDep) -> list[dict[str, str]]:
    """Lists the models that are loaded or could be."""
    names = {*service.registry.known, *await asyncio.to_thread(service.registry.files)}
    return [_state(service, name) for name in sorted(names)]


@router.post("/repository/models/{name}/load", dependencies=[ADMIN], responses=problems(401, 403, 404, 422))
async def load(service: ServiceDep, name: ModelPath) -> dict[str, str]:
    """Loads a model, or loads it again from its file; as `POST /models/{name}/load`."""
    await service.load_model(name)
    return _state(service, name)


@router.post("/repository/models/{name}/unload", dependencies=[ADMIN], responses=problems(401, 403, 404, 422))
async def unload(service: ServiceDep, name: ModelPath) -> dict[str, str]:
    """Forgets a model that is not the default one; what it was given it finishes."""
    await service.together.unload(name)
    return _state(service, name)


async def _model(request: Request, name: str, version: str) -> ServedModel:
    if version != VERSION:
        raise UnknownModelError(f"{name}, version {version}", known=[f"{name}, version {VERSION}"])
    return await context_of(request.scope).model(name)


async def _known(request: Request, name: str, version: str) -> ServedModel:
    """Gives a model that was loaded: one that is away is known, and comes back for images alone."""
    service = context_of(request.scope).service
    service.check_ready()
    away = service.registry.known.get(name) if version == VERSION else None
    return away or await _model(request, name, version)


def _state(service: Service, name: str) -> dict[str, str]:
    model = service.registry.known.get(name)
    state, reason = ("READY", "") if model is not None and model.is_resident else ("UNAVAILABLE", "not loaded")
    if service.on_demand.is_coming(name):
        state, reason = "LOADING", "asked for"
    elif reason and service.settings.models_memory and name not in service.registry.unloaded:
        reason = "loaded when it is asked for"
    return {"name": name, "version": VERSION, "state": state, "reason": reason}
