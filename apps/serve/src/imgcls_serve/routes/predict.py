"""`POST /predict`: one image in, its classes out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from imgcls_contract import Prediction

from imgcls_serve.errors import InvalidParameterError
from imgcls_serve.http.bodies import read_image
from imgcls_serve.http.caller import CallerWatch
from imgcls_serve.http.request_context import context_of
from imgcls_serve.http.requests import PredictQuery
from imgcls_serve.models.served_model import ServedModel
from imgcls_serve.routes.answers import json_reply, prediction
from imgcls_serve.routes.direct_route import DirectRoute
from imgcls_serve.routes.documented import CHECK_HEADER, IMAGE_BODY, TIMEOUT_HEADER, replies

router = APIRouter(route_class=DirectRoute, tags=["classification"])


@router.post(
    "/predict",
    responses=replies(Prediction, 400, 401, 403, 404, 408, 413, 415, 422, 500, 503, 504),
    openapi_extra={"requestBody": IMAGE_BODY, "parameters": [TIMEOUT_HEADER, CHECK_HEADER]},
)
async def predict(request: Request, query: Annotated[PredictQuery, Query()]) -> Response:
    """Classifies one image.

    The body is the encoded image itself, a form with a field `file`, or JSON with `image_base64` or `image_url`.
    """
    context = context_of(request.scope)
    deadline = context.deadline
    model, scheduler = await context.model(query.model), context.service.scheduler
    top_k = asked_top_k(model, query)
    scheduler.check_admission(deadline, caller=context.caller)
    image = await read_image(request, context)
    context.fields["image_bytes"] = len(image)
    future = scheduler.submit(model, image, deadline, caller=context.caller, is_counted=not context.is_check)
    with CallerWatch(request, [future]):
        result = await future
    return json_reply(prediction(context, model, result, k=top_k, with_probabilities=query.probabilities))


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
    """Raises if the model has fewer classes.

    Raises:
        InvalidParameterError: it has.
    """
    classes = len(model.metadata.classes)
    if top_k > classes:
        raise InvalidParameterError(f"`top_k` is {top_k}; model {model.name!r} has {classes} classes.")
