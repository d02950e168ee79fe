"""The client for asyncio: `ImgclsClient` with an `await` before every call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import count
from typing import Self, Unpack

import httpx
from imgcls_contract import GoldenReply, HealthReply, ModelReply, ModelsReply

from imgcls_sdk import answers, calls
from imgcls_sdk.answers import HttpAnswer, Readiness, TimedPrediction
from imgcls_sdk.calls import BatchOptions, Call, ImageInput, PredictOptions
from imgcls_sdk.connection import DEFAULT_URL, BoundedBody, ClientOptions, Connection
from imgcls_sdk.errors import AnswerTimeoutError, ImgclsClientError, RefusedError


class AsyncImgclsClient:
    """Talks to one deployment. Belongs to one event loop; close it, or use it in an `async with`.

    Arguments and failures of every method are those of `ImgclsClient`.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        self.connection = Connection.of(url, options)
        self._http = httpx.AsyncClient(**self.connection.pool(), transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def exchange(self, call: Call) -> HttpAnswer:
        """Sends once and gives back whatever answer comes, errors included."""
        started, bounds = time.perf_counter(), self.connection.bounds()
        try:
            with self.connection.in_our_words(call):
                async with (
                    asyncio.timeout(bounds.total_s),
                    self._http.stream(**self.connection.request(call)) as response,
                ):
                    body = BoundedBody(self.connection, response, started, bounds)
                    async for part in response.aiter_raw():
                        body.add(part)
        except AnswerTimeoutError:
            raise
        except TimeoutError as error:
            raise AnswerTimeoutError(self.connection.url, bounds.total_s, call=call.name) from error
        return body.answer()

    async def send(self, call: Call) -> HttpAnswer:
        """Sends, tries passing failures again, and gives back a successful answer."""
        for attempt in count(1):
            try:
                return answers.successful(await self.exchange(call))
            except ImgclsClientError as error:
                pause_s = self.connection.pause_s(attempt, error)
            await asyncio.sleep(pause_s)
        raise AssertionError("count() does not end")

    async def predict(self, image: ImageInput, **options: Unpack[PredictOptions]) -> TimedPrediction:
        """Classifies one image."""
        return answers.read_prediction(await self.send(calls.predict_call(calls.read_image(image), **options)))

    async def predict_batch(
        self, images: Sequence[ImageInput], **options: Unpack[BatchOptions]
    ) -> list[TimedPrediction | RefusedError]:
        """Classifies several images in one request; answers in order, a bad image is an error in its own place."""
        call = calls.batch_call([calls.read_image(each) for each in images], **options)
        return answers.read_batch(await self.send(call), len(images))

    async def health(self) -> HealthReply:
        """Asks for the state of the process."""
        return answers.read(await self.send(calls.HEALTH), HealthReply)

    async def ready(self) -> Readiness:
        """Asks once whether the service takes work; not being ready is an answer here, not an error."""
        return answers.read_readiness(await self.exchange(calls.READY))

    async def golden(self, model: str | None = None) -> GoldenReply:
        """Asks for the golden cases of a model, or of the default one."""
        return answers.read_golden(await self.send(calls.golden_call(model)))

    async def models(self) -> tuple[ModelReply, ...]:
        """Asks which models there are."""
        return tuple(answers.read(await self.send(calls.MODELS), ModelsReply).models)
