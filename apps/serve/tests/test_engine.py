"""The engine by itself: models are stand-ins that can be held, time is moved by hand, nothing sleeps."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest
from imgcls_core import ImageUndecodableError
from imgcls_core.errors import InferenceError
from imgcls_serve.engine.engine import Engine
from imgcls_serve.engine.job import Answer, Picture, Stage
from imgcls_serve.engine.layout import ThreadLayout
from imgcls_serve.errors import DeadlineExceededError, NotReadyError, QueueFullError
from numpy.typing import NDArray

FAR_S = 1e6
WAIT_S = 5


def layout(*, all_round: int = 0, decoders: int = 1, runners: int = 1, max_batch: int = 8) -> ThreadLayout:
    return ThreadLayout("wide", all_round, decoders, runners, max_batch, 0.0, 1)


class Echo:
    """Answers each image with its own first pixel, so that an answer tells whose it is."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def preprocess(self, source: Any) -> Picture:
        number = int(source)
        pixels = np.array([[[number % 256, number // 256 % 256, number // 65536]]], np.uint8)
        return Picture(pixels, number, 1)

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

    def preprocess(self, source: Any) -> Picture:
        self.decoded.append(source)
        self.reached.release()
        assert self.let_go.wait(WAIT_S)
        return super().preprocess(source)


class Observer:
    def __init__(self) -> None:
        self.batches: list[int] = []
        self.dropped: list[str] = []

    def batch_ran(self, *, images: int, inference_s: float) -> None:
        assert inference_s >= 0
        self.batches.append(images)

    def job_dropped(self, reason: str) -> None:
        self.dropped.append(reason)


class MovableLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock the test moves."""

    ahead_s = 0.0

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
    """Lets the engine's threads go on until something is true; bounded by the test's own limit."""
    while not condition():  # noqa: ASYNC110 - what is waited for happens on other threads
        await asyncio.sleep(0)


def submit(engine: Engine, model: Echo, number: int, deadline_s: float = FAR_S) -> asyncio.Future[Any]:
    return engine.submit(model, number, deadline_s=deadline_s, timeout_ms=1)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "threads", [layout(all_round=3, decoders=0, runners=0, max_batch=3), layout(decoders=3, runners=2)]
)
def test_no_answer_reaches_the_wrong_caller(threads: ThreadLayout) -> None:
    """Thousands of distinguishable images, from many callers at once, through two models."""

    async def test(_: MovableLoop) -> None:
        engine = Engine(threads, queue_size=10_000)
        engine.start()
        models = [Echo(), Echo()]

        async def caller(first: int) -> int:
            wrong = 0
            for number in range(first, first + 200):
                answer = await submit(engine, models[number % 2], number)
                wrong += (int(answer.probabilities[0]), answer.width_px) != (number, number)
            return wrong

        wrong = await asyncio.gather(*(caller(200 * i) for i in range(40)))
        await engine.stop()
        assert sum(wrong) == 0
        assert sum(map(sum, (model.batches for model in models))) == 8000

    run(test)


def test_an_idle_engine_runs_one_image_without_waiting_for_more() -> None:
    async def test(_: MovableLoop) -> None:
        engine = Engine(layout(max_batch=32), queue_size=10)
        engine.start()
        answer = await submit(engine, Echo(), 7)
        await engine.stop()
        assert answer.batch_size == 1

    run(test)


def test_what_waits_while_the_runtime_is_busy_becomes_one_batch() -> None:
    async def test(_: MovableLoop) -> None:
        observer = Observer()
        engine = Engine(layout(max_batch=4), queue_size=100, observer=observer)
        engine.start()
        model = Held()
        futures = [submit(engine, model, 0)]
        await reached(model)
        futures += [submit(engine, model, number) for number in range(1, 10)]
        await until(lambda: engine.count(Stage.READY) == 9)
        model.let_go.set()
        answers = await asyncio.gather(*futures)
        await engine.stop()
        assert model.batches == [1, 4, 4, 1] == observer.batches
        assert [int(answer.probabilities[0]) for answer in answers] == list(range(10))
        assert [answer.batch_size for answer in answers] == [1, 4, 4, 4, 4, 4, 4, 4, 4, 1]

    run(test)


def test_batches_never_mix_models_and_keep_their_order() -> None:
    async def test(_: MovableLoop) -> None:
        engine = Engine(layout(max_batch=8), queue_size=100)
        engine.start()
        gate, one, two = Held(), Echo(), Echo()
        futures = [submit(engine, gate, 0)]
        await reached(gate)
        futures += [submit(engine, (one, two)[number % 2], number) for number in range(1, 9)]
        await until(lambda: engine.count(Stage.READY) == 8)
        gate.let_go.set()
        answers = await asyncio.gather(*futures)
        await engine.stop()
        assert one.batches == two.batches == [4]
        assert [int(answer.probabilities[0]) for answer in answers] == list(range(9))

    run(test)


def test_a_worker_that_does_both_fills_a_batch_before_it_infers() -> None:
    async def test(_: MovableLoop) -> None:
        engine = Engine(layout(all_round=1, decoders=0, runners=0, max_batch=3), queue_size=100)
        engine.start()
        gate, model = Held(), Echo()
        first = submit(engine, gate, 0)
        await reached(gate)
        futures = [submit(engine, model, number) for number in range(7)]
        gate.let_go.set()
        await asyncio.gather(first, *futures)
        await engine.stop()
        assert model.batches == [3, 3, 1]

    run(test)


def test_a_full_queue_refuses_before_any_decode() -> None:
    async def test(_: MovableLoop) -> None:
        engine = Engine(layout(), queue_size=2)
        engine.start()
        model = HeldDecode()
        futures = [submit(engine, model, number) for number in range(2)]
        await reached(model)
        with pytest.raises(QueueFullError) as refused:
            submit(engine, model, 3)
        assert refused.value.retry_after_s >= 1
        model.let_go.set()
        await asyncio.gather(*futures)
        assert (await submit(engine, model, 4)).probabilities[0] == 4
        await engine.stop()

    run(test)


def test_what_could_not_be_answered_in_time_is_refused_at_once() -> None:
    """Answers have taken a while; with some waiting, a deadline that leaves no time for them is not accepted."""

    class Slow(Held):
        def preprocess(self, source: Any) -> Picture:
            threading.Event().wait(0.01)
            return super().preprocess(source)

    async def test(loop: MovableLoop) -> None:
        engine = Engine(layout(max_batch=1), queue_size=100)
        engine.start()
        model = Slow()
        model.let_go.set()
        for number in range(5):
            await submit(engine, model, number)
        engine.check_admission(deadline_s=loop.time())  # nothing waits: whoever comes first is served
        model.let_go.clear()
        futures = [submit(engine, model, number) for number in range(10)]
        with pytest.raises(QueueFullError, match="longer than this request's deadline"):
            submit(engine, model, 11, deadline_s=loop.time() + 0.001)
        futures.append(submit(engine, model, 12))
        model.let_go.set()
        await asyncio.gather(*futures)
        await engine.stop()

    run(test)


def test_what_passes_its_deadline_in_the_queue_is_never_inferred() -> None:
    async def test(loop: MovableLoop) -> None:
        observer = Observer()
        engine = Engine(layout(), queue_size=10, observer=observer)
        engine.start()
        gate, model = Held(), Echo()
        first = submit(engine, gate, 0)
        await reached(gate)
        late = submit(engine, model, 1, deadline_s=loop.time() + 10)
        patient = submit(engine, model, 2, deadline_s=loop.time() + 30)
        await until(lambda: engine.count(Stage.READY) == 2)
        loop.ahead_s += 11
        with pytest.raises(DeadlineExceededError):
            await late
        gate.let_go.set()
        await asyncio.gather(first, patient)
        await engine.stop()
        assert model.batches == [1]
        assert observer.dropped == ["deadline"]

    run(test)


def test_what_passes_its_deadline_before_decoding_is_never_decoded() -> None:
    async def test(loop: MovableLoop) -> None:
        engine = Engine(layout(), queue_size=10)
        engine.start()
        gate = HeldDecode()
        first = submit(engine, gate, 0)
        await reached(gate)
        late = submit(engine, gate, 1, deadline_s=loop.time() + 10)
        loop.ahead_s += 11
        with pytest.raises(DeadlineExceededError):
            await late
        gate.let_go.set()
        await first
        await submit(engine, gate, 2)
        await engine.stop()
        assert gate.decoded == [0, 2]

    run(test)


def test_work_of_callers_who_left_is_dropped_and_counted() -> None:
    async def test(_: MovableLoop) -> None:
        observer = Observer()
        engine = Engine(layout(), queue_size=100, observer=observer)
        engine.start()
        gate, model = Held(), Echo()
        first = submit(engine, gate, 0)
        await reached(gate)
        gone = [submit(engine, model, number) for number in range(20)]
        await until(lambda: engine.count(Stage.READY) == 20)
        for future in gone:
            future.cancel()
        await until(lambda: engine.pending == 1)
        gate.let_go.set()
        await first
        await submit(engine, model, 5)
        await engine.stop()
        assert model.batches == [1]
        assert observer.dropped == ["caller_gone"] * 20

    run(test)


def test_a_bad_image_fails_alone() -> None:
    class Picky(Held):
        def preprocess(self, source: Any) -> Picture:
            if source == 2:
                raise ImageUndecodableError("it is a test")
            return super().preprocess(source)

    async def test(_: MovableLoop) -> None:
        engine = Engine(layout(), queue_size=100)
        engine.start()
        model = Picky()
        futures = [submit(engine, model, number) for number in range(4)]
        await reached(model)
        model.let_go.set()
        answers = await asyncio.gather(*futures, return_exceptions=True)
        await engine.stop()
        assert isinstance(answers[2], ImageUndecodableError)
        assert [int(one.probabilities[0]) for one in answers if isinstance(one, Answer)] == [0, 1, 3]

    run(test)


def test_a_fault_of_the_runtime_fails_its_batch_and_no_other() -> None:
    class Failing(Echo):
        def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
            if images.max() == 13:
                raise InferenceError("out of luck")
            return super().predict(images)

    async def test(_: MovableLoop) -> None:
        engine = Engine(layout(), queue_size=100)
        engine.start()
        model = Failing()
        with pytest.raises(InferenceError, match="out of luck"):
            await submit(engine, model, 13)
        assert (await submit(engine, model, 12)).probabilities[0] == 12
        assert engine.death is None
        await engine.stop()

    run(test)


def test_a_runtime_that_answers_too_few_images_is_a_fault() -> None:
    class Short(Echo):
        def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
            return super().predict(images)[1:]

    async def test(_: MovableLoop) -> None:
        engine = Engine(layout(), queue_size=100)
        engine.start()
        with pytest.raises(InferenceError, match="1 images gave 0 answers"):
            await submit(engine, Short(), 1)
        await engine.stop()

    run(test)


class WorkerDeath(BaseException):
    """Not an Exception: nothing may swallow it."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_worker_fails_all_who_wait_and_closes_the_engine() -> None:
    class Deadly(Held):
        def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
            super().predict(images)
            raise WorkerDeath

    async def test(_: MovableLoop) -> None:
        deaths: list[BaseException] = []
        engine = Engine(layout(max_batch=1), queue_size=100, on_death=deaths.append)
        engine.start()
        model = Deadly()
        futures = [submit(engine, model, number) for number in range(5)]
        await reached(model)
        model.let_go.set()
        answers = await asyncio.gather(*futures, return_exceptions=True)
        assert all(isinstance(answer, InferenceError) for answer in answers)
        assert [type(death) for death in deaths] == [WorkerDeath]
        with pytest.raises(NotReadyError):
            submit(engine, model, 9)
        await engine.stop()
        assert engine.pending == 0

    run(test)


def test_answers_held_back_under_load_all_arrive_when_the_queue_runs_dry() -> None:
    """Many wait, so answers are collected; the callers of the last ones must not wait for more work to come."""

    async def test(_: MovableLoop) -> None:
        engine = Engine(layout(all_round=1, decoders=0, runners=0, max_batch=1), queue_size=100)
        engine.start()
        gate, model = Held(), Echo()
        first = submit(engine, gate, 0)
        await reached(gate)
        futures = [submit(engine, model, number) for number in range(1, 40)]
        for future in futures[20:]:
            future.cancel()
        gate.let_go.set()
        answers = await asyncio.gather(first, *futures[:20])
        assert [int(answer.probabilities[0]) for answer in answers] == list(range(21))
        await engine.stop()

    run(test)


def test_a_batch_may_be_told_to_wait_for_company() -> None:
    """With a wait of a minute only a full batch can end it."""

    async def test(_: MovableLoop) -> None:
        engine = Engine(ThreadLayout("wide", 0, 1, 1, 3, 60_000.0, 1), queue_size=100)
        engine.start()
        model = Echo()
        answers = await asyncio.gather(*(submit(engine, model, number) for number in range(3)))
        await engine.stop()
        assert model.batches == [3]
        assert {answer.batch_size for answer in answers} == {3}

    run(test)
