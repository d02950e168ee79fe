"""The client for threads: one typed method for each endpoint, connections kept, passing failures tried again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import count
from types import TracebackType
from typing import Self, Unpack

import httpx
from imgcls_contract import GoldenReply, HealthReply, ModelReply, ModelsReply

from imgcls_client.errors import ImgclsClientError, RefusedError
from imgcls_client.http.answers import (
    HttpAnswer,
    Readiness,
    TimedPrediction,
    read,
    read_batch,
    read_golden,
    read_prediction,
    read_readiness,
    refusal,
)
from imgcls_client.http.calls import (
    HEALTH,
    MODELS,
    READY,
    BatchOptions,
    Call,
    ImageInput,
    PredictOptions,
    batch_call,
    golden_call,
    predict_call,
    read_image,
)
from imgcls_client.http.connection import DEFAULT_URL, ClientOptions, Connection
from imgcls_client.http.deadline import limit_total_time, total_time


class ImgclsClient:
    """Talks to one deployment. Safe to share between threads; close it, or use it in a `with`.

    Args:
        url: base address of the service; a path in it is kept.
        transport: stands in for the network in tests and for in-process services.
        options: see `ClientOptions`.
    """

    def __init__(
        self, url: str = DEFAULT_URL, *, transport: httpx.BaseTransport | None = None, **options: Unpack[ClientOptions]
    ) -> None:
        self.connection = Connection.of(url, options)
        self._http = httpx.Client(
            headers=self.connection.all_headers(), limits=self.connection.limits(), transport=transport
        )
        limit_total_time(self._http)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def exchange(self, call: Call) -> HttpAnswer:
        """Sends once and gives back whatever answer comes, errors included.

        Raises:
            UnreachableError: no connection, or it broke.
            AnswerTimeoutError: connected, but no answer in time.
        """
        started = time.perf_counter()
        with (
            self.connection.in_our_words(call),
            total_time(self.connection.total_s()),
            self._http.stream(**self.connection.request(call)) as response,
        ):
            body = self.connection.body(response, started)
            for part in response.iter_raw():
                body.add(part)
        return body.answer()

    def send(self, call: Call) -> HttpAnswer:
        """Sends, tries passing failures again, and gives back a successful answer.

        Raises:
            RefusedError: the service answered with an error that stayed.
            UnreachableError: no connection, or it broke, on every attempt.
            AnswerTimeoutError: connected, but no answer in time.
        """
        for attempt in count(1):
            try:
                answer = self.exchange(call)
                if answer.status < 400:
                    return answer
                failure: ImgclsClientError = refusal(answer)
            except ImgclsClientError as error:
                failure = error
            time.sleep(self.connection.pause_s(attempt, failure))
        raise AssertionError("count() does not end")

    def predict(self, image: ImageInput, **options: Unpack[PredictOptions]) -> TimedPrediction:
        """Classifies one image.

        Args:
            image: encoded bytes, the path of a file, or an open binary file.
            options: `top_k`, `probabilities`, `model`, `deadline_ms`, `sent_as`; see `PredictOptions`.

        Raises:
            ImageSourceError: the file cannot be read.
            ImageRefusedError: the service cannot use the image.
            RefusedError: the service said no for another reason.
            UnreachableError: no connection, or it broke.
            AnswerTimeoutError: connected, but no answer in time.
        """
        return read_prediction(self.send(predict_call(read_image(image), **options)))

    def predict_batch(
        self, images: Sequence[ImageInput], **options: Unpack[BatchOptions]
    ) -> list[TimedPrediction | RefusedError]:
        """Classifies several images in one request; answers in order, a bad image is an error in its own place.

        Args:
            images: each as for `predict`.
            options: `top_k`, `probabilities`, `model`; see `BatchOptions`.

        Raises:
            ImageSourceError: a file cannot be read; nothing was sent.
            RefusedError: the service said no to the whole request.
            UnreachableError: no connection, or it broke.
            AnswerTimeoutError: connected, but no answer in time.
        """
        return read_batch(self.send(batch_call([read_image(each) for each in images], **options)), len(images))

    def health(self) -> HealthReply:
        """Asks for the state of the process."""
        return read(self.send(HEALTH), HealthReply)

    def ready(self) -> Readiness:
        """Asks once whether the service takes work; not being ready is an answer here, not an error."""
        return read_readiness(self.exchange(READY))

    def golden(self, model: str | None = None) -> GoldenReply:
        """Asks for the golden cases of a model, or of the default one."""
        return read_golden(self.send(golden_call(model)))

    def models(self) -> tuple[ModelReply, ...]:
        """Asks which models there are."""
        return tuple(read(self.send(MODELS), ModelsReply).models)
