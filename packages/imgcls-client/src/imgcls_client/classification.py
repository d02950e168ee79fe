"""Many pictures through one client, several in flight, answers in the order of the questions."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from imgcls_client.client import ImgclsClient
from imgcls_client.errors import (
    ImageRefusedError,
    ImageSourceError,
    ImgclsClientError,
    UnexpectedAnswerError,
    UnreachableError,
)
from imgcls_client.image_sources import ImageSource
from imgcls_client.replies import Prediction

__all__ = ["Outcome", "classify"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one picture: exactly one of `prediction` and `error`."""

    source: str
    prediction: Prediction | None = None
    error: ImgclsClientError | None = None

    @property
    def is_final(self) -> bool:
        """Whether asking again would give the same."""
        return self.prediction is not None or isinstance(self.error, ImageRefusedError)


def classify(
    client: ImgclsClient,
    sources: Iterable[ImageSource],
    *,
    in_flight: int,
    top_k: int | None = None,
    model: str | None = None,
) -> Iterator[Outcome]:
    """Classify pictures, answers in order, at most `in_flight` calls at once.

    A picture that cannot be read or used is an outcome like any other.

    Raises:
        UnreachableError: The service cannot be reached, so going on is pointless.
        UnexpectedAnswerError: What answers is no imgcls service.
        RefusedError: The service refused for a reason that holds for every picture (access, model, parameter, not
            ready).
    """

    def ask(source: ImageSource) -> Outcome:
        try:
            return Outcome(source.name, prediction=client.predict(source.read(), top_k=top_k, model=model))
        except ImgclsClientError as error:
            if concerns_every_picture(error):
                raise
            return Outcome(source.name, error=error)

    yield from in_order(ask, sources, in_flight=in_flight)


def concerns_every_picture(error: ImgclsClientError) -> bool:
    """Say whether the next picture would meet the same failure."""
    status = getattr(error, "status", None)
    if isinstance(error, ImageSourceError | ImageRefusedError):
        return False
    if isinstance(error, UnreachableError | UnexpectedAnswerError) or error.code == "not_ready":
        return True
    return status in {401, 403, 404, 422}


def in_order(
    ask: Callable[[ImageSource], Outcome], sources: Iterable[ImageSource], *, in_flight: int
) -> Iterator[Outcome]:
    """Run `ask` over the sources on threads; a slow one holds back the output, not the work of its neighbours."""
    waiting: deque[Future[Outcome]] = deque()
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
