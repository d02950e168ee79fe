"""The only place where an error becomes an HTTP status and a problem document (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final, cast

import msgspec
from fastapi.exceptions import RequestValidationError
from imgcls_contract import PROBLEM_MEDIA_TYPE, PROBLEMS, ImageFault, Problem, ProblemDocument
from imgcls_core.errors import ImageError, ImageTooCostlyError, ImageTooLargeError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from imgcls_serve.errors import (
    BodyTooLargeError,
    BodyTooSlowError,
    CallerGoneError,
    DeadlinePassedError,
    ForbiddenError,
    InvalidBase64Error,
    InvalidParameterError,
    ModelLoadingError,
    ModelRefusedError,
    NotReadyError,
    QueueFullError,
    UnauthorizedError,
    UnknownModelError,
    UnsupportedMediaTypeError,
    UrlFailedError,
    UrlRefusedError,
)
from imgcls_serve.http.request_context import RequestContext, context_of, new_request_id
from imgcls_serve.http.requests import validation_sentence

logger = logging.getLogger(__name__)

_OUR_FAULT: Final = "The service failed on this request; its log tells more under this request id."

_INTERNAL: Final = PROBLEMS["internal_error"]

# The most special class of an error that is listed here decides; one that is not listed is a fault of the service.
_KINDS: Final[Mapping[type[Exception], Problem]] = {
    kind: PROBLEMS[code]
    for kind, code in (
        (ImageError, "image_undecodable"),
        (ImageTooLargeError, "image_too_large"),
        (ImageTooCostlyError, "image_too_costly"),
        (BodyTooLargeError, "body_too_large"),
        (BodyTooSlowError, "body_too_slow"),
        (UnsupportedMediaTypeError, "unsupported_media_type"),
        (InvalidParameterError, "invalid_parameter"),
        (InvalidBase64Error, "invalid_base64"),
        (UrlRefusedError, "url_refused"),
        (UrlFailedError, "url_failed"),
        (UnknownModelError, "unknown_model"),
        (ModelLoadingError, "model_loading"),
        (ModelRefusedError, "model_refused"),
        (UnauthorizedError, "unauthorized"),
        (ForbiddenError, "forbidden"),
        (CallerGoneError, "caller_gone"),
        (QueueFullError, "queue_full"),
        (NotReadyError, "not_ready"),
        (DeadlinePassedError, "deadline_exceeded"),
    )
}

# Errors that the framework raises by status alone.
_BY_STATUS: Final = {400: PROBLEMS["bad_request"], 404: PROBLEMS["not_found"], 405: PROBLEMS["method_not_allowed"]}


def refusal(code: str, detail: str) -> tuple[Problem, bytes]:
    """Gives the problem of this code and its document, for a connection that never became a request."""
    problem = PROBLEMS[code]
    return problem, msgspec.json.encode(ProblemDocument.of(problem, detail, new_request_id()))


def _problem_of(error: Exception) -> Problem:
    for kind in type(error).__mro__:
        if (problem := _KINDS.get(cast("type[Exception]", kind))) is not None:
            return problem
    return _INTERNAL


def _response(request: Request, problem: Problem, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    # Clients of the Open Inference Protocol read the member `error`.
    error = detail if request.url.path.startswith("/v2") else None
    document = ProblemDocument.of(problem, detail, context_of(request.scope).request_id, error=error)
    return Response(msgspec.json.encode(document), problem.status, headers=headers, media_type=PROBLEM_MEDIA_TYPE)


def respond_to(request: Request, error: Exception) -> Response:
    """Answers any error, the framework's too: what the caller can mend is said, a fault of ours logged and named."""
    if isinstance(error, HTTPException):
        return _framework_response(request, error)
    if isinstance(error, RequestValidationError):
        error = _as_ours(error)
    context = context_of(request.scope)
    problem = _problem_of(error)
    context.code = problem.code
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("Request %s failed", context.request_id, exc_info=error)
        return _response(request, problem, _OUR_FAULT)
    headers: dict[str, str] = {}
    if isinstance(error, QueueFullError | NotReadyError | ModelLoadingError):
        headers["Retry-After"] = str(error.retry_after_s)
    elif isinstance(error, UnauthorizedError):
        headers["WWW-Authenticate"] = "Bearer"
    elif isinstance(error, BodyTooSlowError):
        headers["Connection"] = "close"  # what still comes of the body must not be taken for another request
    return _response(request, problem, str(error), headers)


def image_fault(context: RequestContext, error: Exception) -> ImageFault:
    """Says in its own place what was wrong with one image of several; a fault of ours is logged and only named."""
    problem = _problem_of(error)
    detail = str(error)
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("Request %s failed for one image", context.request_id, exc_info=error)
        detail = _OUR_FAULT
    return ImageFault(type=problem.type, title=problem.title, status=problem.status, detail=detail, code=problem.code)


def _framework_response(request: Request, fault: HTTPException) -> Response:
    problem = _BY_STATUS.get(fault.status_code)
    if problem is None:
        phrase = HTTPStatus(fault.status_code).phrase
        problem = Problem(phrase.lower().replace(" ", "_"), fault.status_code, phrase, phrase)
    context_of(request.scope).code = problem.code
    detail = {
        404: f"There is nothing at {request.url.path!r}; `/docs` lists what there is.",
        405: f"{request.method} is not allowed for {request.url.path!r}; `/docs` lists what is.",
    }.get(fault.status_code, f"{fault.detail}.")
    return _response(request, problem, detail, fault.headers)


def _as_ours(error: RequestValidationError) -> InvalidParameterError:
    faults: Sequence[ErrorDetails] = error.errors()
    sentences = [validation_sentence(str(fault["loc"][0]), {**fault, "loc": fault["loc"][1:]}) for fault in faults[:3]]
    return InvalidParameterError(" ".join(sentences))
