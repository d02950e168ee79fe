"""What OpenAPI cannot derive: bodies that are read by hand, and problems."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from imgcls_contract import PROBLEM_MEDIA_TYPE, PROBLEMS, ProblemDocument

from imgcls_serve.settings import Settings

_PREDICT_JSON: Final = {"$ref": "#/components/schemas/PredictJson"}
_BINARY: Final = {"schema": {"type": "string", "format": "binary"}}

IMAGE_BODY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        "image/*": _BINARY,
        "application/octet-stream": _BINARY,
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": {"type": "string", "format": "binary", "description": "The encoded image."}},
            }
        },
        "application/json": {"schema": _PREDICT_JSON},
    },
}

IMAGES_BODY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": {
                        "type": "array",
                        "minItems": 1,
                        "items": {"type": "string", "format": "binary"},
                        "description": "The encoded images, each in a field of this name.",
                    }
                },
            }
        },
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["images"],
                "properties": {
                    "images": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/PredictJson"}}
                },
            }
        },
    },
}

INFER_BODY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/InferJson"},
        },
        "application/octet-stream": {
            "schema": {
                "type": "string",
                "format": "binary",
                "description": "The JSON part, whose length is in `Inference-Header-Content-Length`, then the tensors.",
            }
        },
    },
}

TIMEOUT_HEADER: Final[dict[str, Any]] = {
    "name": "X-Request-Timeout-Ms",
    "in": "header",
    "required": False,
    "description": "Deadline of this request in ms; a later answer is a 504. `IMGCLS_REQUEST_TIMEOUT_MS` without it.",
    "schema": {
        "type": "integer",
        "minimum": 1,
        "maximum": Settings.model_fields["max_request_timeout_ms"].default,
    },
}

CHECK_HEADER: Final[dict[str, Any]] = {
    "name": "X-Imgcls-Check",
    "in": "header",
    "required": False,
    "description": "`true` says that this request tests the deployment: its answers do not count as traffic in drift.",
    "schema": {"type": "string"},
}


def replies(reply: type[msgspec.Struct], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """Gives the `responses` of a route: its reply, and the problems of these statuses."""
    return {200: {"content": {"application/json": {"schema": _reference(reply)}}}, **problems(*statuses)}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Gives the `responses` of a route for the problems of these statuses."""
    return {
        status: {
            "description": " ".join(
                f"`{one.code}`: {one.meaning}" for one in PROBLEMS.values() if one.status == status
            ),
            "content": {PROBLEM_MEDIA_TYPE: {"schema": _reference(ProblemDocument)}},
        }
        for status in statuses
    }


def _reference(struct: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{struct.__name__}"}
