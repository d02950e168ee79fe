"""The client for threads: one typed method for each endpoint, connections kept, passing failures tried again.

It does not stand on the one for asyncio: a call through httpx's asyncio client costs three times the processor time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import count
from typing import Self, Unpack

import httpx
from imgcls_contract import GoldenReply, HealthReply, ModelReply, ModelsReply
from imgcls_contract.bounds import Bounds, bounded, limit

from imgcls_sdk import answers, calls
from imgcls_sdk.answers import HttpAnswer, Readiness, TimedPrediction
from imgcls_sdk.calls import BatchOptions, Call, ImageInput, PredictOptions
from imgcls_sdk.connection import DEFAULT_URL, BoundedBody, ClientOptions, Connection
from imgcls_sdk.errors import ImgclsClientError, RefusedError


class ImgclsClient:
    """Talks to one deployment. Safe to share between threads; close it, or use it in a `with`.

    Every method raises `UnreachableError` where there is no connection, `AnswerTimeoutError` where no answer comes in
    time, a `RefusedError` where the service says no, and `UnexpectedAnswerError` where it is no imgcls service.

    Args:
        url: base address of the service; a path in it is kept.
        transport: stands in for the network in tests and for in-process services.
        options: see `ClientOptions`.
    """

    def __init__(
        self, url: str = DEFAULT_URL, *, transport: httpx.BaseTransport | None = None, **options: Unpack[ClientOptions]
    ) -> None:
        self.connection = Connection.of(url, options)
        self._http = limit(httpx.Client(**self.connection.pool(), transport=transport), refuses_compressed=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def exchange(self, call: Call) -> HttpAnswer:
        """Sends once and gives back whatever answer comes, errors included."""
        started, bounds = time.perf_counter(), self.connection.bounds()
        with (
            self.connection.in_our_words(call),
            bounded(Bounds(bounds.total_s)),  # `BoundedBody` looks at the rest, which knows the status
            self._http.stream(**self.connection.request(call)) as response,
        ):
            body = BoundedBody(self.connection, response, started, bounds)
            for part in response.iter_raw():
                body.add(part)
        return body.answer()

    def send(self, call: Call) -> HttpAnswer:
        """Sends, tries passing failures again, and gives back a successful answer."""
        for attempt in count(1):
            try:
                return answers.successful(self.exchange(call))
            except ImgclsClientError as error:
                pause_s = self.connection.pause_s(attempt, error)
            time.sleep(pause_s)
        raise AssertionError("count() does not end")

    def predict(self, image: ImageInput, **options: Unpack[PredictOptions]) -> TimedPrediction:
        """Classifies one image.

        Args:
            image: encoded bytes, the path of a file, or an open binary file.
            options: `top_k`, `probabilities`, `model`, `deadline_ms`, `sent_as`; see `PredictOptions`.

        Raises:
            ImageSourceError: the file cannot be read.
            ImageRefusedError: the service cannot use the image.
        """
        return answers.read_prediction(self.send(calls.predict_call(calls.read_image(image), **options)))

    def predict_batch(
        self, images: Sequence[ImageInput], **options: Unpack[BatchOptions]
    ) -> list[TimedPrediction | RefusedError]:
        """Classifies several images in one request; answers in order, a bad image is an error in its own place.

        Raises:
            ImageSourceError: a file cannot be read; nothing was sent.
        """
        call = calls.batch_call([calls.read_image(each) for each in images], **options)
        return answers.read_batch(self.send(call), len(images))

    def health(self) -> HealthReply:
        """Asks for the state of the process."""
        return answers.read(self.send(calls.HEALTH), HealthReply)

    def ready(self) -> Readiness:
        """Asks once whether the service takes work; not being ready is an answer here, not an error."""
        return answers.read_readiness(self.exchange(calls.READY))

    def golden(self, model: str | None = None) -> GoldenReply:
        """Asks for the golden cases of a model, or of the default one."""
        return answers.read_golden(self.send(calls.golden_call(model)))

    def models(self) -> tuple[ModelReply, ...]:
        """Asks which models there are."""
        return tuple(answers.read(self.send(calls.MODELS), ModelsReply).models)
