"""The OpenAPI document: what FastAPI derives, and what it cannot know."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from imgcls_contract import PROBLEMS, schema_components

from imgcls_serve.http.requests import PredictJson
from imgcls_serve.routes.documented import problems
from imgcls_serve.routes.tensors import InferJson

_REF: Final = "#/components/schemas/{name}"

_DESCRIPTION: Final = """\
Classifies images with an imgcls artifact.

Errors are problem documents (RFC 9457) with a stable `code`. A request may carry `X-Request-Id`, which comes back in
the answer, and `X-Request-Timeout-Ms`. Where the service has API keys, send one as `Authorization: Bearer …` or
`X-API-Key`; admin routes need the admin token in the same way."""

_UNDECODABLE: Final = PROBLEMS["image_undecodable"]
_SHA256: Final = "c213762320c0b856e3f7ba547538e7ef1d6465c6dd51b512cf3cd128f8fab567"
_TENCH: Final = {"class_id": 0, "label": "tench", "probability": 0.7023928761482239}
_STAGES: Final = {"decode": 2.677, "queue": 0.108, "inference": 6.545}
_IMAGE: Final = {**_TENCH, "top": [_TENCH], "timing_ms": _STAGES, "batch_size": 1}
_MODEL: Final = {"name": "mobilenet_v2", "sha256": _SHA256}

_EXAMPLES: Final[dict[tuple[str, str], dict[str, Any]]] = {
    ("/predict", "post"): {
        **_IMAGE,
        "model": _MODEL,
        "timing_ms": {**_STAGES, "total": 9.899},
        "request_id": "26c37df7d5034deb8edb0b6c596eee7b",
    },
    ("/predict/batch", "post"): {
        "results": [
            _IMAGE,
            {
                "error": {
                    "type": _UNDECODABLE.type,
                    "title": _UNDECODABLE.title,
                    "status": _UNDECODABLE.status,
                    "detail": "The image cannot be decoded: it is empty.",
                    "code": _UNDECODABLE.code,
                }
            },
        ],
        "model": _MODEL,
        "total_ms": 11.207,
        "request_id": "26c37df7d5034deb8edb0b6c596eee7b",
    },
    ("/ready", "get"): {"ready": True, "model": _MODEL, "provider": "cpu"},
    ("/v2/models/{name}/infer", "post"): {
        "model_name": "mobilenet_v2",
        "model_version": "1",
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [1, 3], "data": [0.7, 0.2, 0.1]}],
    },
}


def openapi_document(app: FastAPI, *, root_path: str | None = None) -> dict[str, Any]:
    """Gives the document for an application's routes, `root_path` being where callers find them."""
    for route in app.routes:
        if isinstance(route, APIRoute):
            route.operation_id = _operation_id(route)
    document = get_openapi(
        title=app.title, version=app.version, summary=app.summary, description=_DESCRIPTION, routes=app.routes
    )
    document["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    document["servers"] = [{"url": root_path or "/"}]
    # Its connection may refuse a request before any route sees it.
    refusals = {str(status): about for status, about in problems(431).items()}
    for methods in document["paths"].values():
        for about in methods.values():
            about["responses"].update(refusals)
            about["summary"] = about["description"].partition("\n\n")[0].rstrip(".")
    components = document.setdefault("components", {})
    schemas: dict[str, Any] = components.setdefault("schemas", {})
    _, asked = msgspec.json.schema_components((PredictJson, InferJson), ref_template=_REF)
    # Through JSON: a default may be a tuple, which JSON has none of.
    schemas.update(msgspec.json.decode(msgspec.json.encode({**asked, **schema_components()})))
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    document["security"] = [{}, {"bearer": []}, {"key": []}]
    for (path, method), example in _EXAMPLES.items():
        document["paths"][path][method]["responses"]["200"]["content"]["application/json"]["example"] = example
    return document


def _operation_id(route: APIRoute) -> str:
    """Gives what a generated client calls the route: the endpoint's own name, told apart from others of that name."""
    version = "_of_version" if "{version}" in route.path else ""
    return f"{'v2_' if route.path.startswith('/v2') else ''}{route.name}{version}"
