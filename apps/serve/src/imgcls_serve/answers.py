"""Turns the engine's answer into the reply on the wire.

Replies of images are dictionaries in the order of `schemas.ImageAnswer`, which documents them: models would cost each
request more than its decoding costs the event loop.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from imgcls_serve.engine.job import Answer
from imgcls_serve.metrics import Metrics
from imgcls_serve.served_model import ServedModel

encode_reply: Final = msgspec.json.Encoder().encode

# Up to so many classes the largest value is looked for again and again; it takes a tenth of the time of sorting.
_FEW: Final = 10


def image_answer(
    model: ServedModel, answer: Answer, metrics: Metrics, *, top_k: int, with_probabilities: bool
) -> dict[str, Any]:
    """Names the classes of one image, says where its time went, and counts it.

    Args:
        model: what answered.
        answer: what it answered.
        metrics: counts the answer.
        top_k: 1 to the number of classes.
        with_probabilities: whether to give the whole vector. A float32 is given as the double of the same value.

    Returns:
        A `schemas.ImageAnswer`.
    """
    top = top_classes(model, answer.probabilities, top_k)
    best = top[0]
    metrics.image_answered(model.name, best["class_id"], best["label"], best["probability"], answer)
    image: dict[str, Any] = {**best, "top": top}
    if with_probabilities:
        image["probabilities"] = answer.probabilities.tolist()
    image["timing_ms"] = {
        "decode": round(answer.decode_ms, 3),
        "queue": round(answer.queue_ms, 3),
        "inference": round(answer.inference_ms, 3),
    }
    image["batch_size"] = answer.batch_size
    return image


def top_classes(model: ServedModel, probabilities: NDArray[np.float32], k: int) -> list[dict[str, Any]]:
    """Names the k most probable classes, most probable first; equal ones in order of their ids.

    Args:
        model: whose answer it is.
        probabilities: float32 [classes].
        k: 1 to the number of classes.

    Returns:
        `schemas.ClassProbability` of each.
    """
    if k > _FEW:
        found = [(one.class_id, one.probability) for one in model.top_k(probabilities, k)]
    else:
        found: list[tuple[int, float]] = []
        left = probabilities.copy()
        for _ in range(k):
            class_id = int(left.argmax())
            found.append((class_id, left.item(class_id)))
            left[class_id] = -1.0
    classes = model.metadata.classes
    return [
        {"class_id": class_id, "label": classes[class_id].label, "probability": probability}
        for class_id, probability in found
    ]


def log_fields(model: ServedModel, answer: Answer, image: dict[str, Any]) -> dict[str, object]:
    """Gives what the log line says of an answered image."""
    timing = image["timing_ms"]
    return {
        "model": model.name,
        "model_sha256": model.sha256[:12],
        "width_px": answer.width_px,
        "height_px": answer.height_px,
        "decode_ms": timing["decode"],
        "queue_ms": timing["queue"],
        "inference_ms": timing["inference"],
        "batch_size": image["batch_size"],
        "class_id": image["class_id"],
    }
