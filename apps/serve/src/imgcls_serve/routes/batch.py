"""`POST /predict/batch`: several images in, their answers out in the same order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from imgcls_contract import BatchReply, FailedImage, ImageAnswer

from imgcls_serve.errors import InvalidParameterError, ServiceError, UnsupportedMediaTypeError
from imgcls_serve.http.bodies import envelope_limit, image_in_json, media_type_of, parse_form, read_body, sniffed
from imgcls_serve.http.caller import CallerWatch
from imgcls_serve.http.problems import image_fault
from imgcls_serve.http.request_context import RequestContext, context_of
from imgcls_serve.http.requests import BatchJson, PredictJson, PredictQuery, parse_json
from imgcls_serve.models.served_model import ServedModel
from imgcls_serve.routes.answers import image_answer, json_reply, model_id
from imgcls_serve.routes.direct_route import DirectRoute
from imgcls_serve.routes.documented import CHECK_HEADER, IMAGES_BODY, TIMEOUT_HEADER, replies
from imgcls_serve.routes.predict import asked_top_k
from imgcls_serve.scheduler.job import JobResult

router = APIRouter(route_class=DirectRoute, tags=["classification"])

_Encoded = bytes | ServiceError


@router.post(
    "/predict/batch",
    responses=replies(BatchReply, 401, 403, 404, 408, 413, 415, 422, 500, 503, 504),
    openapi_extra={"requestBody": IMAGES_BODY, "parameters": [TIMEOUT_HEADER, CHECK_HEADER]},
)
async def predict_batch(request: Request, query: Annotated[PredictQuery, Query()]) -> Response:
    """Classifies several images.

    The body is a form with fields `file`, or JSON with `images`. A bad image is an error in its own place.
    """
    context = context_of(request.scope)
    deadline = context.deadline
    model, scheduler = await context.model(query.model), context.service.scheduler
    asked_top_k(model, query)
    scheduler.check_admission(deadline, caller=context.caller)
    images = await _read_images(request, context)
    scheduler.check_admission(deadline, len(images), caller=context.caller)
    futures = [
        scheduler.submit(model, image, deadline, caller=context.caller, is_counted=not context.is_check)
        for image in images
        if not isinstance(image, ServiceError)
    ]
    with CallerWatch(request, futures):
        answered = iter(await asyncio.gather(*futures, return_exceptions=True))
    outcomes = [image if isinstance(image, ServiceError) else next(answered) for image in images]
    context.fields.update(model=model.name, model_sha256=model.sha256[:12], images=len(images))
    reply = BatchReply(
        results=[_result(context, model, one, query) for one in outcomes],
        model=model_id(model),
        total_ms=round(context.elapsed_ms, 3),
        request_id=context.request_id,
    )
    return json_reply(reply)


def _result(
    context: RequestContext, model: ServedModel, outcome: JobResult | BaseException, query: PredictQuery
) -> ImageAnswer | FailedImage:
    if isinstance(outcome, JobResult):
        k = asked_top_k(model, query)
        return image_answer(context, model, outcome, k=k, with_probabilities=query.probabilities)
    if not isinstance(outcome, Exception):
        raise outcome
    return FailedImage(image_fault(context, outcome))


async def _read_images(request: Request, context: RequestContext) -> Sequence[_Encoded]:
    settings = context.service.settings
    media_type, options = media_type_of(context)
    if media_type not in {"multipart/form-data", "application/json", ""}:
        raise UnsupportedMediaTypeError(media_type, allowed="`multipart/form-data`, `application/json`")
    most = context.service.most_images
    whole = envelope_limit(media_type, max_image_bytes=settings.max_image_bytes, images=most)
    body = await read_body(request, context, limit=min(whole, settings.max_body_bytes))
    if not media_type:
        media_type, options = sniffed(body)
    if media_type == "multipart/form-data":
        parts = parse_form(body, options, max_parts=most + 16)
        images = [content for name, content in parts if name == "file"]
    elif media_type == "application/octet-stream":
        raise UnsupportedMediaTypeError("none", allowed="`multipart/form-data`, `application/json`")
    else:
        entries = (await parse_json(body, BatchJson, max_objects=4 * most + 64)).images
        _check_count(len(entries), most)
        images = await asyncio.gather(*(_image(context, entry) for entry in entries))
    _check_count(len(images), most)
    return images


def _check_count(images: int, most: int) -> None:
    if not 1 <= images <= most:
        raise InvalidParameterError(f"The request has {images} images; 1 to {most} are allowed.")


async def _image(context: RequestContext, entry: PredictJson) -> _Encoded:
    try:
        return await image_in_json(context, entry)
    except ServiceError as error:
        return error
