"""`GET /metrics` for Prometheus."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import PlainTextResponse, Response

from imgcls_serve.routes.dependencies import ServiceDep

router = APIRouter()


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(service: ServiceDep, accept: Annotated[str, Header(include_in_schema=False)] = "") -> Response:
    """Gives counters and measurements in the text format of Prometheus, or OpenMetrics where asked for."""
    text, media_type = service.metrics.exposition(accept)
    return Response(text, headers={"content-type": media_type})
