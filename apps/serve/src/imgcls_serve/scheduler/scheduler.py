"""The scheduler: bounded admission, worker threads, batches, answers on the caller's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from functools import partial

import numpy as np
from imgcls_core.decoding.isolated import IsolatedDecoder
from imgcls_core.errors import ImageError, InferenceError
from imgcls_core.images.decode import ImageSource
from imgcls_core.images.preprocess import PreparedImage
from numpy.typing import NDArray

from imgcls_serve.errors import DeadlinePassedError, NotReadyError, QueueFullError
from imgcls_serve.scheduler.admission import Admission, Elsewhere, QueueBounds
from imgcls_serve.scheduler.budget import PixelBudget
from imgcls_serve.scheduler.decode_work import DecodeWork
from imgcls_serve.scheduler.held_bytes import CommonCount
from imgcls_serve.scheduler.job import BatchModel, Deadline, Job, JobResult, SchedulerObserver, Stage
from imgcls_serve.scheduler.layout import ThreadLayout
from imgcls_serve.scheduler.speed import Speed
from imgcls_serve.scheduler.work_queue import Role, WorkQueue

# Answers that may be held back under load: at most this many inferences' worth of time.
_MAX_HELD = 8


class Scheduler:
    """Turns images into answers on worker threads.

    All methods are for the thread of one event loop. Models are handed in with each image, so that one
    scheduler serves several and a replaced model finishes what it was given.

    Args:
        layout: which threads there are.
        queue_size: most images accepted and unanswered, or bounds of it that follow the speed.
        max_decoding_pixels: most pixels that are decoded at a time by all threads together; more wait.
        observer: is told of batches and drops.
        on_death: is called once if a worker dies; by then every waiting caller has got its error.
        expected_s: see `Speed`; `elsewhere`: see `Admission`; `pixels`: see `PixelBudget`.

    Attributes:
        submitted: images accepted since the start.
        admission: who has how many of them waiting.
    """

    def __init__(
        self,
        layout: ThreadLayout,
        *,
        queue_size: int | QueueBounds,
        max_decoding_pixels: int,
        observer: SchedulerObserver | None = None,
        on_death: Callable[[BaseException], None] | None = None,
        expected_s: float = 0.0,
        elsewhere: Elsewhere | None = None,
        pixels: CommonCount | None = None,
    ) -> None:
        self.layout = layout
        self.submitted = 0
        self._observer = observer
        self._on_death = on_death
        self._queue = WorkQueue(
            max_batch=layout.max_batch, max_wait_ms=layout.max_wait_ms, before_sleep=self._hand_over
        )
        self._decoding = DecodeWork(self._queue, layout.isolated, PixelBudget(max_decoding_pixels, pixels))
        self._outbox: deque[tuple[list[Job], list[JobResult]]] = deque()
        self._is_delivery_due = False
        self._loop = asyncio.get_running_loop()
        self._threads: list[threading.Thread] = []
        self._death: BaseException | None = None
        self._speed = Speed(layout, expected_s=expected_s)
        self.admission = Admission(queue_size, self._speed, lambda: self._queue.waiting_isolated, elsewhere)

    def start(self) -> None:
        """Starts the threads."""
        roles = {
            Role.BOTH: self.layout.all_round,
            Role.DECODE: self.layout.decoders,
            Role.INFER: self.layout.runners,
            Role.ISOLATED: self.layout.isolated,
        }
        for role, count in roles.items():
            for number in range(count):
                name = f"imgcls-{role.value}-{number}"
                thread = threading.Thread(target=self._work, args=(role,), name=name, daemon=True)
                thread.start()
                self._threads.append(thread)

    async def stop(self) -> None:
        """Ends the threads after what they are doing; whatever still waits is cancelled."""
        self._queue.close()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._deliver_all()
        for job in list(self.admission):
            job.future.cancel()

    @property
    def pending(self) -> int:
        """Images accepted and unanswered."""
        return len(self.admission)

    def count(self, stage: Stage) -> int:
        """Images accepted and unanswered that are at this stage."""
        return sum(job.stage is stage for job in self.admission)

    def check_admission(self, deadline: Deadline, images: int = 1, *, caller: Hashable = None) -> None:
        """Raises if so many images would not be accepted now.

        Args:
            deadline: what waits already is expected to be done by then, for an answer that comes too late is none.
            images: how many.
            caller: whose they are.

        Raises:
            QueueFullError: too many wait.
            NotReadyError: a worker has died.
        """
        if self._death is not None:
            raise NotReadyError("A worker of the inference engine has died; restart the service.")
        self.admission.check(caller, images, left_s=deadline.at_s - self._loop.time())

    def submit(
        self,
        model: BatchModel,
        source: ImageSource,
        deadline: Deadline,
        *,
        caller: Hashable = None,
        is_counted: bool = True,
    ) -> asyncio.Future[JobResult]:
        """Accepts one image.

        Args:
            model: what answers.
            source: the encoded image, or its RGB pixels uint8 [H, W, 3].
            deadline: no work is begun for the image after it.
            caller: whose it is; callers take turns.
            is_counted: whether the answer is traffic.

        Returns:
            A future. Cancelling it tells that the caller has gone. It raises what `model` raises, and
            DeadlinePassedError, InferenceError, NotReadyError, and QueueFullError when the image has to give way to
            one of a caller who has fewer.

        Raises:
            QueueFullError: too many wait; nothing was done.
            NotReadyError: a worker has died.
        """
        self.check_admission(deadline, caller=caller)
        future: asyncio.Future[JobResult] = self._loop.create_future()
        job = Job(model, source, future, time.perf_counter(), caller=caller, is_counted=is_counted)
        gave_way = self.admission.add(job)
        if gave_way is not None and self._observer is not None:
            self._observer.job_dropped("gave_way")
        timer = self._loop.call_at(deadline.at_s, self._expire, job, deadline.timeout_ms)
        self.submitted += 1
        future.add_done_callback(partial(self._done, job, timer))
        self._queue.put_encoded(job)
        return future

    def _expire(self, job: Job, timeout_ms: int) -> None:
        if not job.future.done():
            job.future.set_exception(DeadlinePassedError(timeout_ms))

    def _done(self, job: Job, timer: asyncio.TimerHandle, future: asyncio.Future[JobResult]) -> None:
        timer.cancel()
        self.admission.discard(job)
        if self._observer is not None and job.stage is not Stage.INFERRING:
            if future.cancelled():
                self._observer.job_dropped("caller_gone")
            elif isinstance(future.exception(), DeadlinePassedError):
                self._observer.job_dropped("deadline")
        job.release()

    def _work(self, role: Role) -> None:
        isolated = IsolatedDecoder() if role is Role.ISOLATED else None
        try:
            while (work := self._queue.take(role)) is not None:
                if isinstance(work, Job):
                    self._decode(work, isolated)
                else:
                    self._infer(work)
        except BaseException as error:
            self._tell(self._die, error)
            raise
        finally:
            if isolated is not None:
                isolated.close()

    def _decode(self, job: Job, isolated: IsolatedDecoder | None) -> None:
        try:
            refused = self._decoding.run(job, isolated)
            if refused is not None:
                self._tell(_fail, [refused], QueueFullError("too many costly images wait", retry_after_s=1))
        except ImageError as error:
            # Its frames hold the image and, by the job, itself: a cycle of a megabyte until the collector runs.
            error.__traceback__ = error.__cause__ = error.__context__ = None
            self._tell(_fail, [job], error)
        except Exception as error:  # noqa: BLE001 - it belongs to this image's caller, who gets it
            self._tell(_fail, [job], error)

    def _infer(self, batch: list[Job]) -> None:
        jobs: list[Job] = []
        images: list[PreparedImage] = []
        for job in batch:
            if (prepared := job.prepared) is not None:  # None: its caller has just left
                job.stage = Stage.INFERRING
                jobs.append(job)
                images.append(prepared)
        if not jobs:
            return
        started_s = time.perf_counter()
        try:
            one, *more = (image.pixels for image in images)
            probabilities = jobs[0].model.predict(np.stack([one, *more]) if more else one[np.newaxis])
            if len(probabilities) != len(jobs):
                raise InferenceError(f"{len(jobs)} images gave {len(probabilities)} answers")
            _count(jobs, probabilities)
        except Exception as error:  # noqa: BLE001 - it belongs to the callers of this batch, who get it
            self._tell(_fail, jobs, error)
            return
        inference_ms = (time.perf_counter() - started_s) * 1000
        answers = [
            JobResult(
                probabilities=row,
                decode_ms=job.decode_s * 1000,
                queue_ms=(job.waited_s + started_s - job.decoded_s) * 1000,
                inference_ms=inference_ms,
                batch_size=len(jobs),
                width_px=image.width_px,
                height_px=image.height_px,
            )
            for job, image, row in zip(jobs, images, probabilities, strict=True)
        ]
        self._outbox.append((jobs, answers))
        if len(self._outbox) >= self._answers_to_hold():
            self._hand_over()

    def _answers_to_hold(self) -> int:
        """How many answers to collect before the event loop is woken for them.

        One at a time while there is room. When images queue up, several: the loop then runs with warm caches, and
        a wake-up costs each answer half as much. No worker runs dry meanwhile, since that much waits for each.
        """
        return min(_MAX_HELD, max(1, self._queue.waiting // self.layout.workers - 1))

    def _hand_over(self) -> None:
        if self._outbox and not self._is_delivery_due:
            self._is_delivery_due = True
            self._tell(self._deliver_all)

    def _deliver_all(self) -> None:
        self._is_delivery_due = False  # before it looks: what comes while it looks asks for the next delivery
        with contextlib.suppress(IndexError):  # empty, which a worker may have changed since it was last asked
            while True:
                self._deliver(*self._outbox.popleft())

    def _deliver(self, jobs: list[Job], answers: list[JobResult]) -> None:
        self._speed.note(answer for job, answer in zip(jobs, answers, strict=True) if not job.is_isolated)
        if self._observer is not None:
            self._observer.batch_ran(len(jobs))
        for job, answer in zip(jobs, answers, strict=True):
            if not job.future.done():
                job.future.set_result(answer)

    def _tell(self, callback: Callable[..., None], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # after `stop` the loop may be closed; nobody is left to be told
            self._loop.call_soon_threadsafe(callback, *args)

    def _die(self, error: BaseException) -> None:
        if self._death is not None:
            return
        self._death = error
        self._queue.close()
        for job in list(self.admission):
            if not job.future.done():
                job.future.set_exception(InferenceError("a worker died"))
        if self._on_death is not None:
            self._on_death(error)


def _count(jobs: list[Job], probabilities: NDArray[np.float32]) -> None:
    """Lets the model take note of the answers that are traffic."""
    rows = [row for row, job in enumerate(jobs) if job.is_counted]
    if rows:
        jobs[0].model.count(probabilities if len(rows) == len(jobs) else probabilities[rows])


def _fail(jobs: list[Job], error: Exception) -> None:
    for job in jobs:
        if not job.future.done():
            job.future.set_exception(error)
