"""The client for asyncio: `ImgclsClient` with an `await` before every call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import count
from types import TracebackType
from typing import Self, Unpack

import httpx
from imgcls_contract import GoldenReply, HealthReply, ModelReply, ModelsReply

from imgcls_client.errors import AnswerTimeoutError, ImgclsClientError, RefusedError
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
        self._http = httpx.AsyncClient(
            headers=self.connection.all_headers(), limits=self.connection.limits(), transport=transport
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def exchange(self, call: Call) -> HttpAnswer:
        """Sends once and gives back whatever answer comes, errors included."""
        started = time.perf_counter()
        total_s = self.connection.total_s()
        try:
            with self.connection.in_our_words(call):
                async with (
                    asyncio.timeout(total_s),
                    self._http.stream(**self.connection.request(call)) as response,
                ):
                    body = self.connection.body(response, started)
                    async for part in response.aiter_raw():
                        body.add(part)
        except TimeoutError as error:
            if isinstance(error, AnswerTimeoutError):
                raise
            raise AnswerTimeoutError(self.connection.url, total_s, call=f"{call.method} {call.path}") from error
        return body.answer()

    async def send(self, call: Call) -> HttpAnswer:
        """Sends, tries passing failures again, and gives back a successful answer."""
        for attempt in count(1):
            try:
                answer = await self.exchange(call)
                if answer.status < 400:
                    return answer
                failure: ImgclsClientError = refusal(answer)
            except ImgclsClientError as error:
                failure = error
            await asyncio.sleep(self.connection.pause_s(attempt, failure))
        raise AssertionError("count() does not end")

    async def predict(self, image: ImageInput, **options: Unpack[PredictOptions]) -> TimedPrediction:
        """Classifies one image."""
        return read_prediction(await self.send(predict_call(read_image(image), **options)))

    async def predict_batch(
        self, images: Sequence[ImageInput], **options: Unpack[BatchOptions]
    ) -> list[TimedPrediction | RefusedError]:
        """Classifies several images in one request; answers in order, a bad image is an error in its own place."""
        return read_batch(await self.send(batch_call([read_image(each) for each in images], **options)), len(images))

    async def health(self) -> HealthReply:
        """Asks for the state of the process."""
        return read(await self.send(HEALTH), HealthReply)

    async def ready(self) -> Readiness:
        """Asks once whether the service takes work; not being ready is an answer here, not an error."""
        return read_readiness(await self.exchange(READY))

    async def golden(self, model: str | None = None) -> GoldenReply:
        """Asks for the golden cases of a model, or of the default one."""
        return read_golden(await self.send(golden_call(model)))

    async def models(self) -> tuple[ModelReply, ...]:
        """Asks which models there are."""
        return tuple(read(await self.send(MODELS), ModelsReply).models)
