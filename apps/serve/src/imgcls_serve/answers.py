"""Turns the engine's answer into the reply on the wire."""

from __future__ import annotations

from imgcls_serve.engine.job import Answer
from imgcls_serve.request_context import RequestContext
from imgcls_serve.schemas import ClassProbability, ModelId, PredictReply, TimingMs
from imgcls_serve.served_model import ServedModel


def predict_reply(
    model: ServedModel, answer: Answer, context: RequestContext, *, top_k: int, with_probabilities: bool
) -> PredictReply:
    """Names the classes and says where the time went.

    Args:
        model: what answered.
        answer: what it answered.
        context: the request.
        top_k: 1 to the number of classes.
        with_probabilities: whether to give the whole vector. A float32 is given as the double of the same value.
    """
    top = [
        ClassProbability(class_id=one.class_id, label=one.label, probability=one.probability)
        for one in model.top_k(answer.probabilities, top_k)
    ]
    timing_ms = TimingMs(
        decode=round(answer.decode_ms, 3),
        queue=round(answer.queue_ms, 3),
        inference=round(answer.inference_ms, 3),
        total=round(context.elapsed_ms, 3),
    )
    return PredictReply(
        class_id=top[0].class_id,
        label=top[0].label,
        probability=top[0].probability,
        top=top,
        probabilities=answer.probabilities.tolist() if with_probabilities else None,
        model=ModelId(name=model.name, sha256=model.sha256),
        timing_ms=timing_ms,
        batch_size=answer.batch_size,
        request_id=context.request_id,
    )
