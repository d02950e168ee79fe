"""The client for threads: one typed method for each endpoint, connections kept, passing failures tried again."""

import time
from collections.abc import Mapping, Sequence
from itertools import count
from types import TracebackType
from typing import Self

import httpx

from imgcls_client.calls import Answer, Call, SentAs, batch_call, predict_call, read_answer, refusal
from imgcls_client.connection import DEFAULT_URL, Connection
from imgcls_client.endpoints import (
    GOLDEN,
    HEALTH,
    MODELS,
    READY,
    ImageInput,
    read_all,
    read_batch,
    read_image,
    read_one,
    read_readiness,
)
from imgcls_client.errors import ImgclsClientError, RefusedError
from imgcls_client.replies import (
    Golden,
    Health,
    ModelEntry,
    Prediction,
    Readiness,
    read_golden,
    read_health,
    read_models,
)
from imgcls_client.retry_policy import RetryPolicy, Timeouts

__all__ = ["ImgclsClient"]


class ImgclsClient:
    """Talks to one deployment. Safe to share between threads; close it, or use it in a `with`.

    Args:
        url: Base address of the service; a path in it is kept.
        api_key: Sent as `Authorization: Bearer`. Never shown.
        timeouts: Time limits; the first call gets the one for cold starts.
        retry: What is tried again; `NO_RETRY` sends once.
        headers: More headers for every call.
        max_connections: How many calls can be under way at once.
        transport: Stands in for the network in tests and for in-process services.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
        headers: Mapping[str, str] | None = None,
        max_connections: int = 64,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        key = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self.connection = Connection(url, timeouts or Timeouts(), {**key, **(headers or {})})
        self.retry = retry or RetryPolicy()
        limits = httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections)
        self._http = httpx.Client(headers=self.connection.all_headers(), limits=limits, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def exchange(self, call: Call) -> Answer:
        """Send once and give back whatever answer comes, errors included.

        Raises:
            UnreachableError: No connection, or it broke.
            AnswerTimeoutError: Connected, but no answer in time.
        """
        with self.connection.in_our_words(call):
            started = time.perf_counter()
            response = self._http.request(
                call.method,
                self.connection.address(call),
                params=dict(call.params) or None,
                headers=dict(call.headers),
                content=call.body,
                timeout=self.connection.timeout(),
            )
            return self.connection.answered(response, started)

    def send(self, call: Call) -> Answer:
        """Send, try passing failures again, and give back a successful answer.

        Raises:
            RefusedError: The service answered with an error that stayed.
            UnreachableError: No connection, or it broke, on every attempt.
            AnswerTimeoutError: Connected, but no answer in time.
        """
        for attempt in count(1):
            try:
                answer = self.exchange(call)
                if answer.status < 400:
                    return answer
                failure: ImgclsClientError = refusal(answer)
            except ImgclsClientError as error:
                failure = error
            delay_s = self.retry.delay_s(attempt, failure)
            if delay_s is None:
                raise failure
            time.sleep(delay_s)
        raise AssertionError("count() does not end")

    def predict(
        self,
        image: ImageInput,
        *,
        top_k: int | None = None,
        probabilities: bool = False,
        model: str | None = None,
        deadline_ms: int | None = None,
        sent_as: SentAs = "raw",
    ) -> Prediction:
        """Classify one picture.

        Args:
            image: Encoded bytes, the path of a file, or an open binary file.
            top_k: How many classes to answer with (the service's default is 5).
            probabilities: Ask for the whole vector too.
            model: Name of a model other than the default one.
            deadline_ms: After this many milliseconds the service may drop the work.
            sent_as: Which of the three forms of the contract carries the picture.

        Raises:
            ImageSourceError: The file cannot be read.
            ImageRefusedError: The service cannot use the picture.
            RefusedError: The service said no for another reason.
            UnreachableError: No connection, or it broke.
            AnswerTimeoutError: Connected, but no answer in time.
        """
        call = predict_call(
            read_image(image),
            top_k=top_k,
            probabilities=probabilities,
            model=model,
            deadline_ms=deadline_ms,
            sent_as=sent_as,
        )
        return read_one(self.send(call))

    def predict_batch(
        self,
        images: Sequence[ImageInput],
        *,
        top_k: int | None = None,
        probabilities: bool = False,
        model: str | None = None,
    ) -> list[Prediction | RefusedError]:
        """Classify several pictures in one request; answers in order, a bad picture is an error in its own place.

        Raises:
            ImageSourceError: A file cannot be read; nothing was sent.
            RefusedError: The service said no to the whole request.
            UnreachableError: No connection, or it broke.
            AnswerTimeoutError: Connected, but no answer in time.
        """
        call = batch_call(read_all(images), top_k=top_k, probabilities=probabilities, model=model)
        return read_batch(self.send(call), len(images))

    def health(self) -> Health:
        """Ask for the state of the process."""
        return read_answer(self.send(HEALTH), read_health)

    def ready(self) -> Readiness:
        """Ask once whether the service takes work; not being ready is an answer here, not an error."""
        return read_readiness(self.exchange(READY))

    def golden(self) -> Golden:
        """Ask for the model's golden cases."""
        return read_answer(self.send(GOLDEN), read_golden)

    def models(self) -> tuple[ModelEntry, ...]:
        """Ask which models there are."""
        return read_answer(self.send(MODELS), read_models)
