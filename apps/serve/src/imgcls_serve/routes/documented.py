"""What OpenAPI cannot derive: bodies that are read by hand, and problems."""

from __future__ import annotations

from typing import Any, Final

from imgcls_serve.problems import MEDIA_TYPE
from imgcls_serve.schemas import PredictJson, ProblemReply
from imgcls_serve.settings import Settings

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
        "application/json": {"schema": PredictJson.model_json_schema()},
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
                "properties": {"images": {"type": "array", "minItems": 1, "items": PredictJson.model_json_schema()}},
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

_MEANING: Final = {
    400: "Not an image, corrupt or truncated (`image_undecodable`).",
    401: "No key (`unauthorized`).",
    403: "A wrong key (`forbidden`).",
    404: "No such model (`unknown_model`).",
    408: "The body did not arrive in time (`body_too_slow`).",
    413: "Too many bytes or pixels (`body_too_large`, `image_too_large`).",
    415: "A media type that is not taken (`unsupported_media_type`).",
    422: "A wrong parameter or bad base64 (`invalid_parameter`, `invalid_base64`).",
    500: "A fault of the service (`internal_error`).",
    503: "Full or not ready (`queue_full`, `not_ready`); `Retry-After` says when to come again.",
    504: "The deadline passed (`deadline_exceeded`).",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Gives the `responses` of a route for these statuses."""
    schema = {"schema": {"$ref": f"#/components/schemas/{ProblemReply.__name__}"}}
    return {status: {"description": _MEANING[status], "content": {MEDIA_TYPE: schema}} for status in statuses}
