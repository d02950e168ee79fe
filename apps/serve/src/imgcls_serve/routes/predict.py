"""`POST /predict`: one image in, its classes out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from imgcls_serve.answers import predict_reply
from imgcls_serve.bodies import (
    Deadline,
    decode_base64,
    envelope_limit,
    media_type_of,
    parse_form,
    parse_json,
    read_body,
)
from imgcls_serve.errors import InvalidParameterError
from imgcls_serve.routes.dependencies import CallerWatch, ContextDep, DeadlineDep, ServiceDep
from imgcls_serve.routes.documented import IMAGE_BODY, problems
from imgcls_serve.schemas import PredictJson, PredictReply

router = APIRouter()

TopK = Annotated[int, Query(ge=1, description="How many classes to name, best first; at most all of them.")]
Probabilities = Annotated[bool, Query(description="Whether to give the probability of every class.")]
ModelName = Annotated[str | None, Query(description="Which model answers; the default one without it.")]

_MAX_FORM_PARTS = 16


@router.post(
    "/predict",
    response_model=PredictReply,
    response_model_exclude_none=True,
    responses=problems(400, 404, 413, 415, 422, 500, 503, 504),
    openapi_extra={"requestBody": IMAGE_BODY},
)
async def predict(
    request: Request,
    service: ServiceDep,
    context: ContextDep,
    deadline: DeadlineDep,
    top_k: TopK = 5,
    probabilities: Probabilities = False,
    model: ModelName = None,
) -> Response:
    """Classifies one image.

    The body is the encoded image itself, a form with a field `file`, or JSON with `image_base64`.
    """
    served = service.model(model)
    classes = len(served.metadata.classes)
    if top_k > classes:
        raise InvalidParameterError(f"`top_k` is {top_k}; model {served.name!r} has {classes} classes.")
    service.check_admission()
    image = await _read_image(request, max_image_bytes=service.settings.max_image_bytes, deadline=deadline)
    future = service.submit(served, image, deadline_s=deadline.at_s, timeout_ms=deadline.timeout_ms)
    with CallerWatch(request, [future]):
        answer = await future
    reply = predict_reply(served, answer, context, top_k=top_k, with_probabilities=probabilities)
    context.fields.update(
        model=served.name,
        model_sha256=served.sha256[:12],
        image_bytes=len(image),
        decode_ms=reply.timing_ms.decode,
        queue_ms=reply.timing_ms.queue,
        inference_ms=reply.timing_ms.inference,
        batch_size=reply.batch_size,
        class_id=reply.class_id,
    )
    return Response(reply.model_dump_json(exclude_none=True), media_type="application/json")


async def _read_image(request: Request, *, max_image_bytes: int, deadline: Deadline) -> bytes | bytearray:
    media_type, options = media_type_of(request)
    limit = envelope_limit(media_type, max_image_bytes=max_image_bytes)
    body = await read_body(request, limit=limit, deadline=deadline)
    if media_type == "multipart/form-data":
        return _file_of(body, options)
    if media_type == "application/json":
        return decode_base64(parse_json(body, PredictJson).image_base64, field_name="image_base64")
    return body


def _file_of(body: bytes, options: dict[bytes, Any]) -> bytearray:
    parts = parse_form(body, options, max_parts=_MAX_FORM_PARTS)
    for part in parts:
        if part.name == "file":
            return part.content
    found = ", ".join(repr(part.name) for part in parts) or "none"
    raise InvalidParameterError(f"The form has no field `file` (found: {found}). Send the image as `file`.")
