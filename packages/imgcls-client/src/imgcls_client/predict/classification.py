"""Many images through one client, several in flight, answers in the order of the questions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from imgcls_sdk.answers import TimedPrediction
from imgcls_sdk.client import ImgclsClient
from imgcls_sdk.errors import (
    ImageRefusedError,
    ImageSourceError,
    ImgclsClientError,
    UnexpectedAnswerError,
    UnreachableError,
)

from imgcls_client.predict.image_sources import NamedImage


@dataclass(frozen=True, slots=True)
class ImageOutcome:
    """What became of one image: exactly one of `prediction` and `error`."""

    source: str
    prediction: TimedPrediction | None = None
    error: ImgclsClientError | None = None


def classify(
    client: ImgclsClient,
    sources: Iterable[NamedImage],
    *,
    in_flight: int,
    top_k: int | None = None,
    model: str | None = None,
) -> Iterator[ImageOutcome]:
    """Classifies images, answers in order, at most `in_flight` calls at once.

    An image that cannot be read or used is an outcome like any other.

    Raises:
        UnreachableError: the service cannot be reached, so going on is pointless.
        UnexpectedAnswerError: what answers is no imgcls service.
        RefusedError: the service refused for a reason that holds for every image (access, model, parameter, not
            ready).
    """

    def ask(source: NamedImage) -> ImageOutcome:
        try:
            return ImageOutcome(source.name, prediction=client.predict(source.read(), top_k=top_k, model=model))
        except ImgclsClientError as error:
            if _concerns_every_image(error):
                raise
            return ImageOutcome(source.name, error=error)

    yield from _in_order(ask, sources, in_flight=in_flight)


def _concerns_every_image(error: ImgclsClientError) -> bool:
    status = getattr(error, "status", None)
    if isinstance(error, ImageSourceError | ImageRefusedError):
        return False
    if isinstance(error, UnreachableError | UnexpectedAnswerError) or error.code == "not_ready":
        return True
    return status in {401, 403, 404, 405, 422, 501}


def _in_order(
    ask: Callable[[NamedImage], ImageOutcome], sources: Iterable[NamedImage], *, in_flight: int
) -> Iterator[ImageOutcome]:
    """Runs `ask` over the sources on threads; a slow one holds back the output, not the work of its neighbours."""
    waiting: deque[Future[ImageOutcome]] = deque()
    threads = ThreadPoolExecutor(max_workers=in_flight, thread_name_prefix="predict")
    try:
        for source in sources:
            waiting.append(threads.submit(ask, source))
            while len(waiting) > 4 * in_flight or (waiting and waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        threads.shutdown(wait=True, cancel_futures=True)
