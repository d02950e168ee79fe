"""The client for threads: one typed method for each endpoint, connections kept, passing failures tried again."""

import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import httpx

from imgcls_client.calls import Answer, Call, SentAs, predict_call, read_answer, refusal
from imgcls_client.connection import DEFAULT_URL, Connection
from imgcls_client.errors import (
    ImageSourceError,
    ImgclsClientError,
    UnavailableError,
)
from imgcls_client.replies import (
    Golden,
    Health,
    ModelEntry,
    Prediction,
    Readiness,
    read_golden,
    read_health,
    read_models,
    read_prediction,
)
from imgcls_client.retry_policy import RetryPolicy, Timeouts

__all__ = ["ImageInput", "ImgclsClient"]

ImageInput = bytes | str | Path | BinaryIO


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
        with self.connection.in_our_words():
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
        answer = self.send(call)
        return read_answer(answer, lambda document: read_prediction(document, call_ms=answer.call_ms))

    def health(self) -> Health:
        """Ask for the state of the process."""
        return read_answer(self.send(Call("GET", "/health")), read_health)

    def ready(self) -> Readiness:
        """Ask once whether the service takes work; not being ready is an answer here, not an error."""
        answer = self.exchange(Call("GET", "/ready"))
        if answer.status < 400:
            return Readiness(ready=True)
        problem = refusal(answer)
        if isinstance(problem, UnavailableError):
            return Readiness(ready=False, reason=problem.detail)
        raise problem

    def golden(self) -> Golden:
        """Ask for the model's golden cases."""
        return read_answer(self.send(Call("GET", "/golden")), read_golden)

    def models(self) -> tuple[ModelEntry, ...]:
        """Ask which models there are."""
        return read_answer(self.send(Call("GET", "/models")), read_models)


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
