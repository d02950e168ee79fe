"""`POST /predict/batch`: several images in, their answers out in the same order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from imgcls_serve.answers import encode_reply, image_answer
from imgcls_serve.bodies import envelope_limit, media_type_of, parse_form, parse_json, read_body
from imgcls_serve.engine.job import Answer
from imgcls_serve.errors import InvalidParameterError, ServiceError, UnsupportedMediaTypeError
from imgcls_serve.problems import image_fault
from imgcls_serve.request_context import RequestContext, context_of
from imgcls_serve.routes.dependencies import CallerWatch
from imgcls_serve.routes.documented import CHECK_HEADER, IMAGES_BODY, TIMEOUT_HEADER, problems
from imgcls_serve.routes.predict import PredictQuery, asked_top_k, image_in_json
from imgcls_serve.schemas import BatchJson, BatchReply, PredictJson
from imgcls_serve.served_model import ServedModel

router = APIRouter()

Encoded = bytes | bytearray | ServiceError


@router.post(
    "/predict/batch",
    response_model=BatchReply,
    response_model_exclude_none=True,
    responses=problems(401, 403, 404, 408, 413, 415, 422, 500, 503, 504),
    openapi_extra={"requestBody": IMAGES_BODY, "parameters": [TIMEOUT_HEADER, CHECK_HEADER]},
)
async def predict_batch(request: Request, query: Annotated[PredictQuery, Query()]) -> Response:
    """Classifies several images.

    The body is a form with fields `file`, or JSON with `images`. A bad image is an error in its own place.
    """
    context = context_of(request.scope)
    service, deadline = context.service, context.deadline
    model = service.model(query.model, is_check=context.is_check)
    asked_top_k(model, query)
    service.check_admission(deadline)
    images = await _read_images(request, context)
    service.check_admission(deadline, len(images))
    futures = [
        service.submit(model, image, deadline_s=deadline.at_s, timeout_ms=deadline.timeout_ms)
        for image in images
        if not isinstance(image, ServiceError)
    ]
    with CallerWatch(request, futures):
        answered = iter(await asyncio.gather(*futures, return_exceptions=True))
    found = [image if isinstance(image, ServiceError) else next(answered) for image in images]
    results = [_result(context, model, one, query) for one in found]
    context.fields.update(model=model.name, model_sha256=model.sha256[:12], images=len(images))
    reply = {
        "results": results,
        "model": {"name": model.name, "sha256": model.sha256},
        "total_ms": round(context.elapsed_ms, 3),
        "request_id": context.request_id,
    }
    return Response(encode_reply(reply), media_type="application/json")


def _result(
    context: RequestContext, model: ServedModel, found: Answer | BaseException, query: PredictQuery
) -> dict[str, Any]:
    if isinstance(found, Answer):
        metrics = context.service.metrics
        return image_answer(
            model, found, metrics, top_k=asked_top_k(model, query), with_probabilities=query.probabilities
        )
    if not isinstance(found, Exception):
        raise found
    return {"error": image_fault(context, found)}


async def _read_images(request: Request, context: RequestContext) -> Sequence[Encoded]:
    settings = context.service.settings
    media_type, options = media_type_of(context)
    if media_type not in {"multipart/form-data", "application/json"}:
        raise UnsupportedMediaTypeError(media_type, allowed="`multipart/form-data`, `application/json`")
    most = min(settings.max_images, settings.queue_size)
    whole = envelope_limit(media_type, max_image_bytes=settings.max_image_bytes, images=most)
    body = await read_body(context, request.receive, limit=min(whole, settings.max_body_bytes))
    if media_type == "multipart/form-data":
        images = [part.content for part in parse_form(body, options, max_parts=most + 16) if part.name == "file"]
    else:
        entries = parse_json(body, BatchJson).images
        _check_count(len(entries), most)
        images = await asyncio.gather(*(_image(context, entry) for entry in entries))
    _check_count(len(images), most)
    return images


def _check_count(images: int, most: int) -> None:
    if not 1 <= images <= most:
        raise InvalidParameterError(f"The request has {images} images; 1 to {most} are allowed.")


async def _image(context: RequestContext, entry: PredictJson) -> Encoded:
    try:
        return await image_in_json(context, entry)
    except ServiceError as error:
        return error
