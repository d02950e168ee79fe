"""What both clients share of each endpoint: reading the picture, building the call, understanding the answer."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from imgcls_client import json_fields as fields
from imgcls_client.calls import Answer, Call, problem_error, read_answer, refusal
from imgcls_client.errors import ImageSourceError, RefusedError, UnavailableError, UnexpectedAnswerError
from imgcls_client.replies import Prediction, Readiness, read_prediction

__all__ = [
    "GOLDEN",
    "HEALTH",
    "MODELS",
    "READY",
    "ImageInput",
    "read_all",
    "read_batch",
    "read_image",
    "read_one",
    "read_readiness",
]

ImageInput = bytes | str | Path | BinaryIO

HEALTH = Call("GET", "/health")
READY = Call("GET", "/ready")
GOLDEN = Call("GET", "/golden")
MODELS = Call("GET", "/models")


def read_image(image: ImageInput) -> bytes:
    """Get the bytes of a picture.

    Raises:
        ImageSourceError: The file cannot be read.
    """
    if isinstance(image, bytes):
        return image
    if isinstance(image, str | Path):
        try:
            return Path(image).read_bytes()
        except OSError as error:
            raise ImageSourceError(str(image), error.strerror or str(error)) from error
    return image.read()


def read_one(answer: Answer) -> Prediction:
    """Understand the answer for one picture."""
    return read_answer(answer, lambda document: read_prediction(document, call_ms=answer.call_ms))


def read_batch(answer: Answer, asked: int) -> list[Prediction | RefusedError]:
    """Understand the answer for several pictures: `{"results": […], "model", "request_id"}`.

    A result is what `/predict` answers, less the model and the request id, which all share; or `{"error": problem}`.

    Args:
        answer: The service's.
        asked: How many pictures were sent; as many results must come.
    """

    def read(document: dict[str, object]) -> list[Prediction | RefusedError]:
        shared = {name: document.get(name) for name in ("model", "request_id")}
        return [read_slot({**shared, **slot}, call_ms=answer.call_ms) for slot in fields.objects(document, "results")]

    results = read_answer(answer, read)
    if len(results) != asked:
        raise UnexpectedAnswerError(
            f"The service answered {len(results)} results for {asked} images.",
            status=answer.status,
            request_id=answer.request_id,
        )
    return results


def read_slot(slot: dict[str, object], *, call_ms: float) -> Prediction | RefusedError:
    """Understand the answer for one picture of several."""
    if "error" not in slot:
        return read_prediction(slot, call_ms=call_ms)
    problem = fields.as_object(slot["error"], "error")
    request_id = fields.optional_text(slot, "request_id")
    return problem_error(problem, status=fields.integer(problem, "status"), request_id=request_id)


def read_readiness(answer: Answer) -> Readiness:
    """Understand the answer of `GET /ready`; a 503 is an answer here, not an error.

    Raises:
        RefusedError: Something other than 503.
    """
    if answer.status < 400:
        return Readiness(ready=True)
    problem = refusal(answer)
    if isinstance(problem, UnavailableError):
        return Readiness(ready=False, reason=problem.detail)
    raise problem


def read_all(images: Sequence[ImageInput]) -> list[bytes]:
    """Get the bytes of several pictures."""
    return [read_image(image) for image in images]
