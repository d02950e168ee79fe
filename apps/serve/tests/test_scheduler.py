"""The scheduler by itself: models are stand-ins that can be held, time is moved by hand, nothing sleeps."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest
from imgcls_core import ImageUndecodableError
from imgcls_core.errors import InferenceError
from imgcls_core.images.preprocess import PreparedImage
from imgcls_serve.errors import DeadlinePassedError, NotReadyError, QueueFullError
from imgcls_serve.scheduler.budget import PixelBudget
from imgcls_serve.scheduler.job import Deadline, JobResult, Stage
from imgcls_serve.scheduler.layout import ThreadLayout
from numpy.typing import NDArray
from scheduler_stand_ins import (
    FAR_S,
    Echo,
    Held,
    HeldDecode,
    MovableLoop,
    Observer,
    layout,
    new_scheduler,
    reached,
    run,
    submit,
    until,
)


@pytest.mark.parametrize(
    "threads", [layout(all_round=3, decoders=0, runners=0, max_batch=3), layout(decoders=3, runners=2)]
)
def test_no_answer_reaches_the_wrong_caller(threads: ThreadLayout) -> None:
    """Thousands of distinguishable images, from many callers at once, through two models."""

    async def test(_: MovableLoop) -> None:
        scheduler = new_scheduler(threads, queue_size=10_000)
        scheduler.start()
        models = [Echo(), Echo()]

        async def caller(first: int) -> int:
            wrong = 0
            for number in range(first, first + 200):
                answer = await submit(scheduler, models[number % 2], number)
                wrong += (int(answer.probabilities[0]), answer.width_px) != (number, number)
            return wrong

        wrong = await asyncio.gather(*(caller(200 * i) for i in range(40)))
        await scheduler.stop()
        assert sum(wrong) == 0
        assert sum(map(sum, (model.batches for model in models))) == 8000

    run(test)


def test_an_idle_scheduler_runs_one_image_without_waiting_for_more() -> None:
    async def test(_: MovableLoop) -> None:
        scheduler = new_scheduler(layout(max_batch=32), queue_size=10)
        scheduler.start()
        answer = await submit(scheduler, Echo(), 7)
        await scheduler.stop()
        assert answer.batch_size == 1

    run(test)


def test_what_waits_while_the_runtime_is_busy_becomes_one_batch() -> None:
    async def test(_: MovableLoop) -> None:
        observer = Observer()
        scheduler = new_scheduler(layout(max_batch=4), queue_size=100, observer=observer)
        scheduler.start()
        model = Held()
        futures = [submit(scheduler, model, 0)]
        await reached(model)
        futures += [submit(scheduler, model, number) for number in range(1, 10)]
        await until(lambda: scheduler.count(Stage.READY) == 9)
        model.let_go.set()
        answers = await asyncio.gather(*futures)
        await scheduler.stop()
        assert model.batches == [1, 4, 4, 1] == observer.batches
        assert [int(answer.probabilities[0]) for answer in answers] == list(range(10))
        assert [answer.batch_size for answer in answers] == [1, 4, 4, 4, 4, 4, 4, 4, 4, 1]

    run(test)


def test_a_test_of_the_deployment_shares_batches_with_traffic_and_is_not_counted() -> None:
    async def test(_: MovableLoop) -> None:
        scheduler = new_scheduler(layout(max_batch=8), queue_size=100)
        scheduler.start()
        gate, model = Held(), Echo()
        futures = [submit(scheduler, gate, 0)]
        await reached(gate)
        for number in range(1, 5):
            deadline = Deadline(FAR_S, 1)
            futures.append(scheduler.submit(model, number, deadline, is_counted=number % 2 == 0))  # pyright: ignore[reportArgumentType]
        await until(lambda: scheduler.count(Stage.READY) == 4)
        gate.let_go.set()
        answers = await asyncio.gather(*futures)
        await scheduler.stop()
        assert model.batches == [4]
        assert model.counted == [2, 4]
        assert [int(answer.probabilities[0]) for answer in answers] == list(range(5))

    run(test)


def test_batches_never_mix_models_and_keep_their_order() -> None:
    async def test(_: MovableLoop) -> None:
        scheduler = new_scheduler(layout(max_batch=8), queue_size=100)
        scheduler.start()
        gate, one, two = Held(), Echo(), Echo()
        futures = [submit(scheduler, gate, 0)]
        await reached(gate)
        futures += [submit(scheduler, (one, two)[number % 2], number) for number in range(1, 9)]
        await until(lambda: scheduler.count(Stage.READY) == 8)
        gate.let_go.set()
        answers = await asyncio.gather(*futures)
        await scheduler.stop()
        assert one.batches == two.batches == [4]
        assert [int(answer.probabilities[0]) for answer in answers] == list(range(9))

    run(test)


def test_a_worker_that_does_both_fills_a_batch_before_it_infers() -> None:
    async def test(_: MovableLoop) -> None:
        scheduler = new_scheduler(layout(all_round=1, decoders=0, runners=0, max_batch=3), queue_size=100)
        scheduler.start()
        gate, model = Held(), Echo()
        first = submit(scheduler, gate, 0)
        await reached(gate)
        futures = [submit(scheduler, model, number) for number in range(7)]
        gate.let_go.set()
        await asyncio.gather(first, *futures)
        await scheduler.stop()
        assert model.batches == [3, 3, 1]

    run(test)


def test_a_full_queue_refuses_before_any_decode() -> None:
    async def test(_: MovableLoop) -> None:
        scheduler = new_scheduler(layout(), queue_size=2)
        scheduler.start()
        model = HeldDecode()
        futures = [submit(scheduler, model, number) for number in range(2)]
        await reached(model)
        with pytest.raises(QueueFullError) as refused:
            submit(scheduler, model, 3)
        assert refused.value.retry_after_s >= 1
        model.let_go.set()
        await asyncio.gather(*futures)
        assert (await submit(scheduler, model, 4)).probabilities[0] == 4
        await scheduler.stop()

    run(test)


def test_what_could_not_be_answered_in_time_is_refused_at_once() -> None:
    """Answers have taken a while; with some waiting, a deadline that leaves no time for them is not accepted."""

    class Slow(Held):
        def preprocess(self, source: Any) -> PreparedImage:
            threading.Event().wait(0.01)
            return super().preprocess(source)

    async def test(loop: MovableLoop) -> None:
        scheduler = new_scheduler(layout(max_batch=1), queue_size=100)
        scheduler.start()
        model = Slow()
        model.let_go.set()
        for number in range(5):
            await submit(scheduler, model, number)
        scheduler.check_admission(Deadline(loop.time(), 1))  # nothing waits: whoever comes first is served
        model.let_go.clear()
        futures = [submit(scheduler, model, number) for number in range(10)]
        with pytest.raises(QueueFullError, match="longer than this request's deadline"):
            submit(scheduler, model, 11, deadline_s=loop.time() + 0.001)
        futures.append(submit(scheduler, model, 12))
        model.let_go.set()
        await asyncio.gather(*futures)
        await scheduler.stop()

    run(test)


def test_what_passes_its_deadline_in_the_queue_is_never_inferred() -> None:
    async def test(loop: MovableLoop) -> None:
        observer = Observer()
        scheduler = new_scheduler(layout(), queue_size=10, observer=observer)
        scheduler.start()
        gate, model = Held(), Echo()
        first = submit(scheduler, gate, 0)
        await reached(gate)
        late = submit(scheduler, model, 1, deadline_s=loop.time() + 10)
        patient = submit(scheduler, model, 2, deadline_s=loop.time() + 30)
        await until(lambda: scheduler.count(Stage.READY) == 2)
        loop.ahead_s += 11
        with pytest.raises(DeadlinePassedError):
            await late
        gate.let_go.set()
        await asyncio.gather(first, patient)
        await scheduler.stop()
        assert model.batches == [1]
        assert observer.dropped == ["deadline"]

    run(test)


def test_what_passes_its_deadline_before_decoding_is_never_decoded() -> None:
    async def test(loop: MovableLoop) -> None:
        scheduler = new_scheduler(layout(), queue_size=10)
        scheduler.start()
        gate = HeldDecode()
        first = submit(scheduler, gate, 0)
        await reached(gate)
        late = submit(scheduler, gate, 1, deadline_s=loop.time() + 10)
        loop.ahead_s += 11
        with pytest.raises(DeadlinePassedError):
            await late
        gate.let_go.set()
        await first
        await submit(scheduler, gate, 2)
        await scheduler.stop()
        assert gate.decoded == [0, 2]

    run(test)


def test_work_of_callers_who_left_is_dropped_and_counted() -> None:
    async def test(_: MovableLoop) -> None:
        observer = Observer()
        scheduler = new_scheduler(layout(), queue_size=100, observer=observer)
        scheduler.start()
        gate, model = Held(), Echo()
        first = submit(scheduler, gate, 0)
        await reached(gate)
        gone = [submit(scheduler, model, number) for number in range(20)]
        await until(lambda: scheduler.count(Stage.READY) == 20)
        for future in gone:
            future.cancel()
        await until(lambda: scheduler.pending == 1)
        gate.let_go.set()
        await first
        await submit(scheduler, model, 5)
        await scheduler.stop()
        assert model.batches == [1]
        assert observer.dropped == ["caller_gone"] * 20

    run(test)


def test_a_bad_image_fails_alone() -> None:
    class Picky(Held):
        def preprocess(self, source: Any) -> PreparedImage:
            if source == 2:
                raise ImageUndecodableError("it is a test")
            return super().preprocess(source)

    async def test(_: MovableLoop) -> None:
        scheduler = new_scheduler(layout(), queue_size=100)
        scheduler.start()
        model = Picky()
        futures = [submit(scheduler, model, number) for number in range(4)]
        await reached(model)
        model.let_go.set()
        answers = await asyncio.gather(*futures, return_exceptions=True)
        await scheduler.stop()
        assert isinstance(answers[2], ImageUndecodableError)
        assert [int(one.probabilities[0]) for one in answers if isinstance(one, JobResult)] == [0, 1, 3]

    run(test)


def test_a_fault_of_the_runtime_fails_its_batch_and_no_other() -> None:
    class Failing(Echo):
        def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
            if images.max() == 13:
                raise InferenceError("out of luck")
            return super().predict(images)

    async def test(_: MovableLoop) -> None:
        scheduler = new_scheduler(layout(), queue_size=100)
        scheduler.start()
        model = Failing()
        with pytest.raises(InferenceError, match="out of luck"):
            await submit(scheduler, model, 13)
        assert (await submit(scheduler, model, 12)).probabilities[0] == 12
        await scheduler.stop()

    run(test)


def test_a_runtime_that_answers_too_few_images_is_a_fault() -> None:
    class Short(Echo):
        def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
            return super().predict(images)[1:]

    async def test(_: MovableLoop) -> None:
        scheduler = new_scheduler(layout(), queue_size=100)
        scheduler.start()
        with pytest.raises(InferenceError, match="1 images gave 0 answers"):
            await submit(scheduler, Short(), 1)
        await scheduler.stop()

    run(test)


class WorkerDeath(BaseException):
    """Not an Exception: nothing may swallow it."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_worker_fails_all_who_wait_and_closes_the_scheduler() -> None:
    class Deadly(Held):
        def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
            super().predict(images)
            raise WorkerDeath

    async def test(_: MovableLoop) -> None:
        deaths: list[BaseException] = []
        scheduler = new_scheduler(layout(max_batch=1), queue_size=100, on_death=deaths.append)
        scheduler.start()
        model = Deadly()
        futures = [submit(scheduler, model, number) for number in range(5)]
        await reached(model)
        model.let_go.set()
        answers = await asyncio.gather(*futures, return_exceptions=True)
        assert all(isinstance(answer, InferenceError) for answer in answers)
        assert [type(death) for death in deaths] == [WorkerDeath]
        with pytest.raises(NotReadyError):
            submit(scheduler, model, 9)
        await scheduler.stop()
        assert scheduler.pending == 0

    run(test)


def test_answers_held_back_under_load_all_arrive_when_the_queue_runs_dry() -> None:
    """Many wait, so answers are collected; the callers of the last ones must not wait for more work to come."""

    async def test(_: MovableLoop) -> None:
        scheduler = new_scheduler(layout(all_round=1, decoders=0, runners=0, max_batch=1), queue_size=100)
        scheduler.start()
        gate, model = Held(), Echo()
        first = submit(scheduler, gate, 0)
        await reached(gate)
        futures = [submit(scheduler, model, number) for number in range(1, 40)]
        for future in futures[20:]:
            future.cancel()
        gate.let_go.set()
        answers = await asyncio.gather(first, *futures[:20])
        assert [int(answer.probabilities[0]) for answer in answers] == list(range(21))
        await scheduler.stop()

    run(test)


def test_answers_are_collected_under_load_whatever_threads_wait_for_isolated_images() -> None:
    """Waking the event loop for each answer costs it half as much again."""

    async def wakes(loop: MovableLoop, isolated: int) -> int:
        both = ThreadLayout("parallel", 1, 0, 0, 1, 0.0, isolated)
        scheduler = new_scheduler(both, queue_size=100)
        scheduler.start()
        gate, model = Held(), Echo()
        first = submit(scheduler, gate, 0)
        await reached(gate)
        futures = [submit(scheduler, model, number) for number in range(40)]
        before = loop.wakes
        gate.let_go.set()
        await asyncio.gather(first, *futures)
        await scheduler.stop()
        return loop.wakes - before

    async def test(loop: MovableLoop) -> None:
        # A loop that is slow is woken less; were the threads that wait counted as workers, it would be some 20 times.
        assert max([await wakes(loop, isolated=4) for _ in range(5)]) <= 14

    run(test)


def test_a_batch_may_be_told_to_wait_for_company() -> None:
    """With a wait of a minute only a full batch can end it."""

    async def test(_: MovableLoop) -> None:
        scheduler = new_scheduler(ThreadLayout("wide", 0, 1, 1, 3, 60_000.0), queue_size=100)
        scheduler.start()
        model = Echo()
        answers = await asyncio.gather(*(submit(scheduler, model, number) for number in range(3)))
        await scheduler.stop()
        assert model.batches == [3]
        assert {answer.batch_size for answer in answers} == {3}

    run(test)


def test_pixels_beyond_the_budget_wait_and_one_image_always_passes() -> None:
    budget = PixelBudget(100)
    entered, leave = threading.Event(), threading.Event()

    def second() -> None:
        with budget.hold(60):
            entered.set()

    other = threading.Thread(target=second)
    with budget.hold(1000):
        other.start()
        assert not entered.is_set()
        leave.set()
    other.join(5)
    assert entered.is_set()
    with budget.hold(40), budget.hold(60):
        pass
