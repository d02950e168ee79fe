"""Turns the scheduler's results into the replies on the wire."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

import msgspec
from imgcls_contract import ClassProbability, ImageAnswer, ModelId, Prediction, StageTimingMs, TimingMs
from imgcls_core.inference.top_k import top_k
from starlette.requests import Request
from starlette.responses import Response

from imgcls_serve.http.request_context import AnsweredImage, RequestContext
from imgcls_serve.models.served_model import ServedModel
from imgcls_serve.scheduler.job import JobResult

_encode: Final = msgspec.json.Encoder().encode


def json_reply(reply: msgspec.Struct) -> Response:
    """Gives a reply as its response."""
    return Response(_encode(reply), media_type="application/json")


class KeptReplies:
    """Replies that are the same for every caller, each made once and named by its content (`ETag`)."""

    def __init__(self) -> None:
        self._bodies: dict[str, tuple[bytes, str]] = {}

    def respond(self, request: Request, key: str, make: Callable[[], Any]) -> Response:
        """Gives a reply, or 304 to a caller who has it.

        Args:
            request: may name in `If-None-Match` what its caller has.
            key: tells it from the other replies.
            make: gives what is encoded as JSON.
        """
        if key not in self._bodies:
            body = _encode(make())
            self._bodies[key] = (body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
        body, tag = self._bodies[key]
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)


def model_id(model: ServedModel) -> ModelId:
    """Says which artifact answered."""
    return ModelId(model.name, model.sha256)


def prediction(
    context: RequestContext, model: ServedModel, result: JobResult, *, k: int, with_probabilities: bool
) -> Prediction:
    """Gives the answer for the one image of a request, and keeps what its log line and the metrics say of it.

    Args:
        context: the request.
        model: what answered.
        result: what it answered.
        k: 1 to the number of classes.
        with_probabilities: whether to give the whole vector. A float32 is given as the double of the same value.
    """
    top = _top_classes(context, model, result, k)
    best = top[0]
    decode, queue, inference = _stages(result)
    context.fields.update(
        model=model.name,
        model_sha256=model.sha256[:12],
        width_px=result.width_px,
        height_px=result.height_px,
        decode_ms=decode,
        queue_ms=queue,
        inference_ms=inference,
        batch_size=result.batch_size,
        class_id=best.class_id,
    )
    return Prediction(
        class_id=best.class_id,
        label=best.label,
        probability=best.probability,
        top=top,
        probabilities=result.probabilities.tolist() if with_probabilities else None,
        model=model_id(model),
        timing_ms=TimingMs(decode, queue, inference, round(context.elapsed_ms, 3)),
        batch_size=result.batch_size,
        request_id=context.request_id,
    )


def image_answer(
    context: RequestContext, model: ServedModel, result: JobResult, *, k: int, with_probabilities: bool
) -> ImageAnswer:
    """Gives the answer for one image of several, and keeps what the metrics say of it; arguments as `prediction`."""
    top = _top_classes(context, model, result, k)
    best = top[0]
    return ImageAnswer(
        class_id=best.class_id,
        label=best.label,
        probability=best.probability,
        top=top,
        probabilities=result.probabilities.tolist() if with_probabilities else None,
        timing_ms=StageTimingMs(*_stages(result)),
        batch_size=result.batch_size,
    )


def _stages(result: JobResult) -> tuple[float, float, float]:
    return round(result.decode_ms, 3), round(result.queue_ms, 3), round(result.inference_ms, 3)


def _top_classes(context: RequestContext, model: ServedModel, result: JobResult, k: int) -> list[ClassProbability]:
    """Names the k most probable classes, most probable first; equal ones in order of their ids."""
    top = top_k(result.probabilities, model.metadata.classes, k)
    best = top[0]
    context.answered.append(AnsweredImage(model.name, best.class_id, best.label, best.probability, result))
    return top
