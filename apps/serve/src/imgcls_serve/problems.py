"""The only place where an error becomes an HTTP status and a problem document (RFC 9457)."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final, NamedTuple, cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from imgcls_core import ImgclsError
from imgcls_core.errors import (
    ArtifactError,
    GoldenMismatchError,
    ImageError,
    ImageTooLargeError,
    InferenceError,
    ProviderUnavailableError,
)
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from imgcls_serve.errors import (
    BodyTooLargeError,
    BodyTooSlowError,
    CallerGoneError,
    DeadlineExceededError,
    ForbiddenError,
    InvalidBase64Error,
    InvalidParameterError,
    ModelRefusedError,
    NotReadyError,
    QueueFullError,
    UnauthorizedError,
    UnknownModelError,
    UnsupportedMediaTypeError,
    UrlFailedError,
    UrlRefusedError,
)
from imgcls_serve.request_context import RequestContext, context_of

logger = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"


class Problem(NamedTuple):
    """What a problem document says besides its detail."""

    status: int
    code: str
    title: str


_OUR_FAULT: Final = "The service failed on this request; its log tells more under this request id."

INTERNAL: Final = Problem(500, "internal_error", "The service failed")

# The most special class of an error that is listed here decides.
PROBLEMS: Final[Mapping[type[Exception], Problem]] = {
    ImageError: Problem(400, "image_undecodable", "The image cannot be decoded"),
    ImageTooLargeError: Problem(413, "image_too_large", "The image is too large"),
    BodyTooLargeError: Problem(413, "body_too_large", "The body is too large"),
    BodyTooSlowError: Problem(408, "body_too_slow", "The body is too slow"),
    UnsupportedMediaTypeError: Problem(415, "unsupported_media_type", "This media type is not taken"),
    InvalidParameterError: Problem(422, "invalid_parameter", "A parameter is wrong"),
    InvalidBase64Error: Problem(422, "invalid_base64", "A field is not base64"),
    UrlRefusedError: Problem(422, "url_refused", "This URL is not fetched"),
    UrlFailedError: Problem(422, "url_failed", "The URL cannot be fetched"),
    UnknownModelError: Problem(404, "unknown_model", "There is no such model"),
    ModelRefusedError: Problem(422, "model_refused", "The model cannot be served"),
    UnauthorizedError: Problem(401, "unauthorized", "A key is needed"),
    ForbiddenError: Problem(403, "forbidden", "This key does not open this address"),
    CallerGoneError: Problem(499, "caller_gone", "The caller hung up"),
    QueueFullError: Problem(503, "queue_full", "The service is full"),
    NotReadyError: Problem(503, "not_ready", "The service is not ready"),
    DeadlineExceededError: Problem(504, "deadline_exceeded", "The deadline has passed"),
    InferenceError: INTERNAL,
    ArtifactError: INTERNAL,
    GoldenMismatchError: INTERNAL,
    ProviderUnavailableError: INTERNAL,
    ImgclsError: INTERNAL,
}

# Errors that the framework raises by status alone.
_BY_STATUS: Final = {
    400: Problem(400, "bad_request", "The request cannot be read"),
    404: Problem(404, "not_found", "There is nothing at this address"),
    405: Problem(405, "method_not_allowed", "This method is not allowed here"),
}


def problem_of(error: Exception) -> Problem:
    """Gives the table's entry for an error; a bug of ours where it has none."""
    for kind in type(error).__mro__:
        if (problem := PROBLEMS.get(cast("type[Exception]", kind))) is not None:
            return problem
    return INTERNAL


def problem_document(problem: Problem, detail: str, request_id: str) -> dict[str, str | int]:
    """Gives the members of a problem document."""
    return {
        "type": f"urn:imgcls:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": detail,
        "code": problem.code,
        "request_id": request_id,
    }


def problem_response(
    request: Request, problem: Problem, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Gives the answer for a problem."""
    document = problem_document(problem, detail, context_of(request.scope).request_id)
    if request.url.path.startswith("/v2"):
        # Clients of the Open Inference Protocol read this member.
        document["error"] = detail
    body = json.dumps(document, ensure_ascii=False)
    return Response(body, problem.status, headers=headers, media_type=MEDIA_TYPE)


def respond_to(request: Request, error: Exception) -> Response:
    """Answers any error: what the caller can mend is said, a fault of ours is logged and only named."""
    context = context_of(request.scope)
    problem = problem_of(error)
    context.code = problem.code
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("Request %s failed", context.request_id, exc_info=error)
        return problem_response(request, problem, _OUR_FAULT)
    headers: dict[str, str] = {}
    if isinstance(error, QueueFullError | NotReadyError):
        headers["Retry-After"] = str(error.retry_after_s)
    elif isinstance(error, UnauthorizedError):
        headers["WWW-Authenticate"] = "Bearer"
    elif isinstance(error, BodyTooSlowError):
        headers["Connection"] = "close"  # what still comes of the body must not be taken for another request
    return problem_response(request, problem, str(error), headers)


def image_fault(context: RequestContext, error: Exception) -> dict[str, str | int]:
    """Says in its own place what was wrong with one image of several; a fault of ours is logged and only named.

    Returns:
        A `schemas.ImageFault`.
    """
    problem = problem_of(error)
    detail = str(error)
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("Request %s failed for one image", context.request_id, exc_info=error)
        detail = _OUR_FAULT
    document = problem_document(problem, detail, context.request_id)
    del document["request_id"]  # the whole answer has it
    return document


def install(app: FastAPI) -> None:
    """Makes every error of the application a problem document, the framework's own too."""

    async def on_imgcls_error(request: Request, error: Exception) -> Response:
        if isinstance(error, CallerGoneError):
            raise error
        return respond_to(request, error)

    async def on_validation_error(request: Request, error: Exception) -> Response:
        faults: Sequence[ErrorDetails] = cast("RequestValidationError", error).errors()
        sentences = [
            validation_sentence(str(fault["loc"][0]), {**fault, "loc": fault["loc"][1:]}) for fault in faults[:3]
        ]
        return respond_to(request, InvalidParameterError(" ".join(sentences)))

    async def on_http_exception(request: Request, error: Exception) -> Response:
        fault = cast("HTTPException", error)
        context = context_of(request.scope)
        problem = _BY_STATUS.get(fault.status_code)
        if problem is None:
            phrase = HTTPStatus(fault.status_code).phrase
            problem = Problem(fault.status_code, phrase.lower().replace(" ", "_"), phrase)
        context.code = problem.code
        detail = {
            404: f"There is nothing at {request.url.path!r}; `/docs` lists what there is.",
            405: f"{request.method} is not allowed for {request.url.path!r}; `/docs` lists what is.",
        }.get(fault.status_code, f"{fault.detail}.")
        return problem_response(request, problem, detail, fault.headers)

    app.add_exception_handler(ImgclsError, on_imgcls_error)
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(HTTPException, on_http_exception)


def validation_sentence(kind: str, fault: ErrorDetails) -> str:
    """Says what is wrong with a parameter: its name, what was found, what is allowed."""
    name = ".".join(str(part) for part in fault["loc"])
    found = fault["input"]
    return f"`{name}`{f' is {found[:80]!r}' if isinstance(found, str) else ''}: {fault['msg']} ({kind})."
