"""`POST /predict`: one image in, its classes out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from imgcls_serve.answers import encode_reply, image_answer, log_fields
from imgcls_serve.bodies import decode_base64, envelope_limit, media_type_of, parse_form, parse_json, read_body
from imgcls_serve.errors import InvalidParameterError
from imgcls_serve.problems import validation_sentence
from imgcls_serve.request_context import RequestContext, context_of
from imgcls_serve.routes.dependencies import CallerWatch
from imgcls_serve.routes.documented import CHECK_HEADER, IMAGE_BODY, TIMEOUT_HEADER, problems
from imgcls_serve.schemas import PredictJson, PredictReply
from imgcls_serve.served_model import ServedModel

router = APIRouter()

_MAX_FORM_PARTS = 16


class PredictQuery(BaseModel):
    """What may be asked of an answer."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=False)

    top_k: Annotated[
        int,
        Field(ge=1, description="How many classes to name, best first; the default is no more than the model has."),
    ] = 5
    probabilities: Annotated[bool, Field(description="Whether to give the probability of every class.")] = False
    model: Annotated[str | None, Field(description="Which model answers; the default one without it.")] = None


_DEFAULT_QUERY = PredictQuery()


@router.post(
    "/predict",
    response_model=PredictReply,
    response_model_exclude_none=True,
    responses=problems(400, 401, 403, 404, 408, 413, 415, 422, 500, 503, 504),
    openapi_extra={"requestBody": IMAGE_BODY, "parameters": [TIMEOUT_HEADER, CHECK_HEADER]},
)
async def predict(request: Request, query: Annotated[PredictQuery, Query()]) -> Response:
    """Classifies one image.

    The body is the encoded image itself, a form with a field `file`, or JSON with `image_base64` or `image_url`.
    """
    return await _answer(request, query)


async def answer(request: Request) -> Response:
    """Answers `POST /predict` without the framework's dependency injection."""
    return await _answer(request, read_query(request))


def read_query(request: Request) -> PredictQuery:
    """Reads the query.

    Raises:
        InvalidParameterError: names the parameters that are wrong.
    """
    if not request.scope["query_string"]:
        return _DEFAULT_QUERY
    try:
        return PredictQuery.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise InvalidParameterError(" ".join(validation_sentence("query", fault) for fault in error.errors())) from None


def asked_top_k(model: ServedModel, query: PredictQuery) -> int:
    """Gives how many classes to name: the default is no more than the model has.

    Raises:
        InvalidParameterError: more were asked for than the model has.
    """
    if "top_k" not in query.model_fields_set:
        return min(query.top_k, len(model.metadata.classes))
    check_top_k(model, query.top_k)
    return query.top_k


def check_top_k(model: ServedModel, top_k: int) -> None:
    """Passes when the model has so many classes.

    Raises:
        InvalidParameterError: it has fewer.
    """
    classes = len(model.metadata.classes)
    if top_k > classes:
        raise InvalidParameterError(f"`top_k` is {top_k}; model {model.name!r} has {classes} classes.")


async def _answer(request: Request, query: PredictQuery) -> Response:
    context = context_of(request.scope)
    service, deadline = context.service, context.deadline
    model = service.model(query.model, is_check=context.is_check)
    top_k = asked_top_k(model, query)
    service.check_admission(deadline)
    encoded = await _read_image(request, context)
    future = service.submit(model, encoded, deadline_s=deadline.at_s, timeout_ms=deadline.timeout_ms)
    with CallerWatch(request, [future]):
        found = await future
    image = image_answer(model, found, service.metrics, top_k=top_k, with_probabilities=query.probabilities)
    context.fields.update(log_fields(model, found, image), image_bytes=len(encoded))
    timing, batch_size = image.pop("timing_ms"), image.pop("batch_size")
    image["model"] = {"name": model.name, "sha256": model.sha256}
    image["timing_ms"] = {**timing, "total": round(context.elapsed_ms, 3)}
    image["batch_size"] = batch_size
    image["request_id"] = context.request_id
    return Response(encode_reply(image), media_type="application/json")


async def _read_image(request: Request, context: RequestContext) -> bytes | bytearray:
    media_type, options = media_type_of(context)
    limit = envelope_limit(media_type, max_image_bytes=context.service.settings.max_image_bytes)
    body = await read_body(context, request.receive, limit=limit)
    if media_type == "multipart/form-data":
        return _file_of(body, options)
    if media_type == "application/json":
        return await image_in_json(context, parse_json(body, PredictJson))
    return body


async def image_in_json(context: RequestContext, entry: PredictJson) -> bytes:
    """Gives the image that a JSON document carries or names.

    Raises:
        InvalidBase64Error: it is not base64.
        ServiceError: its URL is not fetched or gives no image.
    """
    if entry.image_url is not None:
        return await context.service.fetch(entry.image_url, deadline=context.deadline)
    return decode_base64(entry.image_base64 or "", field_name="image_base64")


def _file_of(body: bytes, options: dict[bytes, bytes]) -> bytearray:
    parts = parse_form(body, options, max_parts=_MAX_FORM_PARTS)
    for part in parts:
        if part.name == "file":
            return part.content
    found = ", ".join(repr(part.name) for part in parts) or "none"
    raise InvalidParameterError(f"The form has no field `file` (found: {found}). Send the image as `file`.")
