"""`GET /health`, `/ready`, `/golden` and `/metrics`: what a deployment says of itself."""

from __future__ import annotations

import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Final
from weakref import WeakKeyDictionary

import psutil
from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse, Response
from imgcls_contract import (
    GoldenReply,
    Gpu,
    HealthModel,
    HealthReply,
    ReadyReply,
)
from imgcls_core.artifact.golden_reply import golden_reply

from imgcls_serve.errors import NotReadyError
from imgcls_serve.http.request_context import context_of
from imgcls_serve.models.served_model import ServedModel
from imgcls_serve.routes.answers import KeptReplies, json_reply, model_id
from imgcls_serve.routes.dependencies import IsStranger, ServiceDep
from imgcls_serve.routes.documented import replies

router = APIRouter(tags=["deployment"])

ModelName = Annotated[str | None, Query(description="Which model; the default one without it.")]

# By model, so that one that was loaded again answers anew.
_GOLDEN: Final[WeakKeyDictionary[ServedModel, KeptReplies]] = WeakKeyDictionary()

_DISTRIBUTIONS = ("imgcls-serve", "imgcls-core", "onnxruntime", "onnxruntime-gpu", "openvino", "pillow", "numpy")


@router.head("/health", include_in_schema=False)
@router.get("/health", responses=replies(HealthReply))
async def health(service: ServiceDep, is_stranger: IsStranger) -> Response:
    """Says that the process can answer, and how it is; never waits for inference.

    Where keys are needed, callers without one are told no model and no versions.
    """
    model = service.registry.default if not is_stranger else None
    machine = psutil.virtual_memory()
    disk = shutil.disk_usage("/")
    gpu = service.gpu
    reply = HealthReply(
        status="ok",
        model=_health_model(model) if model else None,
        provider=model.provider if model else None,
        provider_reason=model.provider_reason if model else None,
        gpu=Gpu(present=gpu.present, reason=gpu.reason) if gpu else Gpu(present=False, reason="not yet looked for"),
        memory={
            "process_rss": service.together.processes().resident_bytes,
            "machine_total": machine.total,
            "machine_available": machine.available,
        },
        disk={"total": disk.total, "free": disk.free},
        uptime_s=round(service.uptime_s, 3),
        versions=_versions() if not is_stranger else {},
    )
    return json_reply(reply)


def _health_model(model: ServedModel) -> HealthModel:
    metadata = model.metadata
    return HealthModel(
        name=model.name,
        sha256=model.sha256,
        classes=len(metadata.classes),
        sealed=model.seal is not None,
        seal=model.seal,
        signed_by=model.signed_by,
        terms=metadata.source.terms,
    )


@router.head("/ready", include_in_schema=False)
@router.get("/ready", responses=replies(ReadyReply, 503))
async def ready(service: ServiceDep, is_stranger: IsStranger) -> Response:
    """Says whether images are answered: the model is loaded, checked and warm, and the service is not ending.

    With `IMGCLS_FULL_AT` also whether there is room for more.
    """
    service.check_takes_more()
    if (model := service.registry.default) is None:
        raise NotReadyError("No model is loaded.")
    if is_stranger:
        return json_reply(ReadyReply(ready=True, model=None, provider=None))
    return json_reply(ReadyReply(ready=True, model=model_id(model), provider=model.provider))


@router.get("/golden", responses=replies(GoldenReply, 404, 422, 503))
async def golden(request: Request, model: ModelName = None) -> Response:
    """Gives the golden cases of the artifact, for clients that test a deployment."""
    served = await context_of(request.scope).model(model)
    # Those of a model that may leave are read from its files each time, instead of being held.
    kept = _GOLDEN.setdefault(served, KeptReplies()) if served.kept is None else KeptReplies()
    return kept.respond(request, served.name, lambda: golden_reply(served.golden_metadata(), model_id(served)))


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request, service: ServiceDep) -> Response:
    """Gives counters and measurements in the text format of Prometheus, or OpenMetrics where asked for."""
    state = await service.together.state()
    text, media_type = service.metrics.exposition(
        request.headers.get("accept", ""), state, service.together.processes()
    )
    return Response(text, headers={"content-type": media_type})


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # one of the two builds of ONNX Runtime is installed
            continue
    return found
