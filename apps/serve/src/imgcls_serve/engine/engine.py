"""The engine: bounded admission, worker threads, batches, answers on the caller's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

import numpy as np
from imgcls_core.errors import InferenceError
from imgcls_core.images.decode import ImageSource

from imgcls_serve.engine.job import Answer, BatchModel, Job, Picture, Stage
from imgcls_serve.engine.layout import ThreadLayout
from imgcls_serve.engine.speed import Speed
from imgcls_serve.engine.work_queue import Role, WorkQueue
from imgcls_serve.errors import DeadlineExceededError, NotReadyError, QueueFullError

# Answers that may be held back under load: at most this many inferences' worth of time.
_MAX_HELD = 8

# What waits may take so much longer than it lately did: neighbours on the machine come and go.
_CAUTION = 1.5


class EngineObserver(Protocol):
    """Is told what happens, on the event loop's thread."""

    def batch_ran(self, *, images: int, inference_s: float) -> None:
        """A batch was inferred."""
        ...

    def job_dropped(self, reason: str) -> None:
        """Nobody wanted a job any more before its inference: "deadline" or "caller_gone"."""
        ...


class Engine:
    """Turns images into answers on worker threads.

    All methods are for the thread of one event loop. Models are handed in with each image, so that one engine
    serves several and a replaced model finishes what it was given.

    Args:
        layout: which threads there are.
        queue_size: most images accepted and unanswered.
        observer: is told of batches and drops.
        on_death: is called once if a worker dies; by then every waiting caller has got its error.
    """

    def __init__(
        self,
        layout: ThreadLayout,
        *,
        queue_size: int,
        observer: EngineObserver | None = None,
        on_death: Callable[[BaseException], None] | None = None,
    ) -> None:
        self.layout = layout
        self.queue_size = queue_size
        self._observer = observer
        self._on_death = on_death
        self._queue = WorkQueue(
            max_batch=layout.max_batch, max_wait_ms=layout.max_wait_ms, before_sleep=self._hand_over
        )
        self._outbox: deque[tuple[list[Job], list[Answer], float]] = deque()
        self._jobs: set[Job] = set()
        self._loop = asyncio.get_running_loop()
        self._threads: list[threading.Thread] = []
        self._death: BaseException | None = None
        self._speed = Speed(layout)

    def start(self) -> None:
        """Starts the threads."""
        roles = {
            Role.BOTH: self.layout.all_round,
            Role.DECODE: self.layout.decoders,
            Role.INFER: self.layout.runners,
        }
        for role, count in roles.items():
            for number in range(count):
                thread = threading.Thread(
                    target=self._work, args=(role,), name=f"imgcls-{role.value}-{number}", daemon=True
                )
                thread.start()
                self._threads.append(thread)

    async def stop(self) -> None:
        """Ends the threads after what they are doing; whatever still waits is cancelled."""
        self._queue.close()
        await asyncio.to_thread(self._join)
        self._deliver_all()
        for job in list(self._jobs):
            job.future.cancel()

    def _join(self) -> None:
        for thread in self._threads:
            thread.join()

    @property
    def pending(self) -> int:
        """Images accepted and unanswered."""
        return len(self._jobs)

    def count(self, stage: Stage) -> int:
        """Images accepted and unanswered that are at this stage."""
        return sum(job.stage is stage for job in self._jobs)

    @property
    def death(self) -> BaseException | None:
        """What killed a worker, if one died; the engine takes nothing then."""
        return self._death

    def check_admission(self, images: int = 1, *, deadline_s: float = math.inf) -> None:
        """Passes when so many images would be accepted now.

        Args:
            images: how many.
            deadline_s: on the loop's clock. What waits already is expected to be done by then: it is better to
                refuse at once than to let a caller wait for an answer that comes too late.

        Raises:
            QueueFullError: too many wait.
            NotReadyError: a worker has died.
        """
        if self._death is not None:
            raise NotReadyError("A worker of the inference engine has died; restart the service.")
        waiting = len(self._jobs)
        wait_s = waiting * self._speed.s_per_image * _CAUTION
        if waiting + images > self.queue_size:
            reason = f"{waiting} of at most {self.queue_size} images wait"
        elif waiting and self._loop.time() + wait_s > deadline_s:
            reason = f"{waiting} images wait and take about {wait_s:.1f} s, longer than this request's deadline"
        else:
            return
        raise QueueFullError(reason, retry_after_s=max(1, math.ceil(wait_s)))

    def submit(
        self, model: BatchModel, source: ImageSource, *, deadline_s: float, timeout_ms: int
    ) -> asyncio.Future[Answer]:
        """Accepts one image.

        Args:
            model: what answers.
            source: the encoded image, or its RGB pixels uint8 [H, W, 3].
            deadline_s: on the loop's clock; no work is begun for the image after it.
            timeout_ms: the same as the caller asked for it, for the error.

        Returns:
            A future. Cancelling it tells that the caller has gone. It raises what `model` raises, and
            DeadlineExceededError, InferenceError, NotReadyError.

        Raises:
            QueueFullError: too many wait; nothing was done.
            NotReadyError: a worker has died.
        """
        self.check_admission(deadline_s=deadline_s)
        future: asyncio.Future[Answer] = self._loop.create_future()
        job = Job(model, source, future, time.perf_counter())
        timer = self._loop.call_at(deadline_s, self._expire, job, timeout_ms)
        self._jobs.add(job)
        future.add_done_callback(partial(self._done, job, timer))
        self._queue.put_encoded(job)
        return future

    def _expire(self, job: Job, timeout_ms: int) -> None:
        if not job.future.done():
            job.future.set_exception(DeadlineExceededError(timeout_ms))

    def _done(self, job: Job, timer: asyncio.TimerHandle, future: asyncio.Future[Answer]) -> None:
        timer.cancel()
        self._jobs.discard(job)
        if self._observer is not None and job.stage is not Stage.INFERRING:
            if future.cancelled():
                self._observer.job_dropped("caller_gone")
            elif isinstance(future.exception(), DeadlineExceededError):
                self._observer.job_dropped("deadline")
        job.release()

    def _work(self, role: Role) -> None:
        try:
            while (work := self._queue.take(role)) is not None:
                if isinstance(work, Job):
                    self._decode(work)
                else:
                    self._infer(work)
        except BaseException as error:
            self._tell(self._die, error)
            raise

    def _decode(self, job: Job) -> None:
        job.stage = Stage.DECODING
        started_s = time.perf_counter()
        job.waited_s = started_s - job.submitted_s
        source = job.source
        if source is None:  # its caller has just left
            return
        try:
            picture = job.model.preprocess(source)
        except Exception as error:  # noqa: BLE001 - it belongs to this image's caller, who gets it
            self._tell(_fail, [job], error)
            return
        job.decoded_s = time.perf_counter()
        job.decode_s = job.decoded_s - started_s
        job.source, job.picture = None, picture
        job.stage = Stage.READY
        self._queue.put_ready(job)

    def _infer(self, batch: list[Job]) -> None:
        jobs: list[Job] = []
        pictures: list[Picture] = []
        for job in batch:
            if (picture := job.picture) is not None:  # None: its caller has just left
                job.stage = Stage.INFERRING
                jobs.append(job)
                pictures.append(picture)
        if not jobs:
            return
        started_s = time.perf_counter()
        try:
            one, *more = (picture.pixels for picture in pictures)
            probabilities = jobs[0].model.predict(np.stack([one, *more]) if more else one[np.newaxis])
            if len(probabilities) != len(jobs):
                raise InferenceError(f"{len(jobs)} images gave {len(probabilities)} answers")
        except Exception as error:  # noqa: BLE001 - it belongs to the callers of this batch, who get it
            self._tell(_fail, jobs, error)
            return
        inference_s = time.perf_counter() - started_s
        answers = [
            Answer(
                probabilities=row,
                decode_ms=job.decode_s * 1000,
                queue_ms=(job.waited_s + started_s - job.decoded_s) * 1000,
                inference_ms=inference_s * 1000,
                batch_size=len(jobs),
                width_px=picture.width_px,
                height_px=picture.height_px,
            )
            for job, picture, row in zip(jobs, pictures, probabilities, strict=True)
        ]
        self._outbox.append((jobs, answers, inference_s))
        if len(self._outbox) >= self._answers_to_hold():
            self._hand_over()

    def _answers_to_hold(self) -> int:
        """How many answers to collect before the event loop is woken for them.

        One at a time while there is room. When images queue up, several: the loop then runs with warm caches, and
        a wake-up costs each answer half as much. No worker runs dry meanwhile, since that much waits for each.
        """
        return min(_MAX_HELD, max(1, self._queue.waiting // max(1, len(self._threads)) - 1))

    def _hand_over(self) -> None:
        if self._outbox:
            self._tell(self._deliver_all)

    def _deliver_all(self) -> None:
        with contextlib.suppress(IndexError):  # empty, which a worker may have changed since it was last asked
            while True:
                self._deliver(*self._outbox.popleft())

    def _deliver(self, jobs: list[Job], answers: list[Answer], inference_s: float) -> None:
        self._speed.note(answers)
        if self._observer is not None:
            self._observer.batch_ran(images=len(jobs), inference_s=inference_s)
        for job, answer in zip(jobs, answers, strict=True):
            if not job.future.done():
                job.future.set_result(answer)

    def _tell(self, callback: Callable[..., None], *args: object) -> None:
        # After `stop` the loop may be closed; nobody is left to be told.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *args)

    def _die(self, error: BaseException) -> None:
        if self._death is not None:
            return
        self._death = error
        self._queue.close()
        for job in list(self._jobs):
            if not job.future.done():
                job.future.set_exception(InferenceError("a worker died"))
        if self._on_death is not None:
            self._on_death(error)


def _fail(jobs: list[Job], error: Exception) -> None:
    for job in jobs:
        if not job.future.done():
            job.future.set_exception(error)
