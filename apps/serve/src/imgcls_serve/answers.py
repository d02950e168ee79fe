"""Turns the engine's answer into the reply on the wire."""

from __future__ import annotations

from imgcls_serve.engine.job import Answer
from imgcls_serve.metrics import Metrics
from imgcls_serve.schemas import ClassProbability, ImageAnswer, StageTimingMs
from imgcls_serve.served_model import ServedModel


def image_answer(
    model: ServedModel, answer: Answer, metrics: Metrics, *, top_k: int, with_probabilities: bool
) -> ImageAnswer:
    """Names the classes of one image, says where its time went, and counts it.

    Args:
        model: what answered.
        answer: what it answered.
        metrics: counts the answer.
        top_k: 1 to the number of classes.
        with_probabilities: whether to give the whole vector. A float32 is given as the double of the same value.
    """
    top = [
        ClassProbability(class_id=one.class_id, label=one.label, probability=one.probability)
        for one in model.top_k(answer.probabilities, top_k)
    ]
    best = top[0]
    metrics.image_answered(model.name, best.class_id, best.label, best.probability, answer)
    return ImageAnswer(
        class_id=best.class_id,
        label=best.label,
        probability=best.probability,
        top=top,
        probabilities=answer.probabilities.tolist() if with_probabilities else None,
        timing_ms=StageTimingMs(
            decode=round(answer.decode_ms, 3),
            queue=round(answer.queue_ms, 3),
            inference=round(answer.inference_ms, 3),
        ),
        batch_size=answer.batch_size,
    )


def log_fields(model: ServedModel, image: ImageAnswer) -> dict[str, object]:
    """Gives what the log line says of an answered image."""
    return {
        "model": model.name,
        "model_sha256": model.sha256[:12],
        "decode_ms": image.timing_ms.decode,
        "queue_ms": image.timing_ms.queue,
        "inference_ms": image.timing_ms.inference,
        "batch_size": image.batch_size,
        "class_id": image.class_id,
    }
