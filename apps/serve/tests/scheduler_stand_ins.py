"""Models that can be held, an observer, and a loop whose clock a test moves, for tests of the scheduler."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import numpy as np
from imgcls_core.images.preprocess import PreparedImage
from imgcls_serve.scheduler.job import Deadline
from imgcls_serve.scheduler.layout import ThreadLayout
from imgcls_serve.scheduler.scheduler import Scheduler
from numpy.typing import NDArray

FAR_S = 1e6
WAIT_S = 5
# Its images have one pixel each.
new_scheduler = partial(Scheduler, max_decoding_pixels=1_000)


def layout(*, all_round: int = 0, decoders: int = 1, runners: int = 1, max_batch: int = 8) -> ThreadLayout:
    return ThreadLayout("wide", all_round, decoders, runners, max_batch, 0.0)


class Echo:
    """Answers each image with its own first pixel, so that an answer tells whose it is."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.counted: list[int] = []

    def count(self, probabilities: NDArray[np.float32]) -> None:
        self.counted += [int(row[0]) for row in probabilities]

    def preprocess(self, source: Any) -> PreparedImage:
        number = int(source)
        pixels = np.array([[[number % 256, number // 256 % 256, number // 65536]]], np.uint8)
        return PreparedImage(pixels, number, 1)

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.batches.append(len(images))
        return (images[:, 0, 0].astype(np.float32) @ np.array([1, 256, 65536], np.float32))[:, np.newaxis]


class Held(Echo):
    """Waits in `predict` (or `preprocess`) until it is let go; says when it has been reached."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Semaphore(0)
        self.let_go = threading.Event()

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.reached.release()
        assert self.let_go.wait(WAIT_S)
        return super().predict(images)


class HeldDecode(Echo):
    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Semaphore(0)
        self.let_go = threading.Event()
        self.decoded: list[int] = []

    def preprocess(self, source: Any) -> PreparedImage:
        self.decoded.append(source)
        self.reached.release()
        assert self.let_go.wait(WAIT_S)
        return super().preprocess(source)


class Observer:
    def __init__(self) -> None:
        self.batches: list[int] = []
        self.dropped: list[str] = []

    def batch_ran(self, images: int) -> None:
        self.batches.append(images)

    def job_dropped(self, reason: str) -> None:
        self.dropped.append(reason)


class MovableLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock the test moves, and that counts how often threads wake it."""

    ahead_s = 0.0
    wakes = 0

    def call_soon_threadsafe(self, *args: Any, **options: Any) -> asyncio.Handle:
        self.wakes += 1
        return super().call_soon_threadsafe(*args, **options)

    def time(self) -> float:
        return super().time() + self.ahead_s


def run(test: Callable[[MovableLoop], Coroutine[Any, Any, None]]) -> None:
    loop = MovableLoop()
    try:
        loop.run_until_complete(asyncio.wait_for(test(loop), 60))
    finally:
        loop.close()


async def reached(model: Held | HeldDecode) -> None:
    assert await asyncio.to_thread(model.reached.acquire, timeout=WAIT_S)


async def until(condition: Callable[[], bool]) -> None:
    """Lets the scheduler's threads go on until something is true; bounded by the test's own limit."""
    while not condition():  # noqa: ASYNC110 - what is waited for happens on other threads
        await asyncio.sleep(0)


def submit(
    scheduler: Scheduler, model: Echo, number: int, deadline_s: float = FAR_S, caller: str = ""
) -> asyncio.Future[Any]:
    deadline = Deadline(deadline_s, 1)
    return scheduler.submit(model, number, deadline, caller=caller)  # pyright: ignore[reportArgumentType]
