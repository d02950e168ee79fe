"""What waits to be decoded and what waits to be inferred, and who takes what next."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from enum import Enum

from imgcls_serve.scheduler.fair_queue import FairQueue
from imgcls_serve.scheduler.job import Job


class Role(Enum):
    """What a worker does."""

    DECODE = "decode"
    INFER = "infer"
    BOTH = "both"
    ISOLATED = "isolated"


class WorkQueue:
    """What waits to be decoded, the callers in turn, and what waits to be inferred, first in first out, under one lock.

    A worker that infers takes what is ready, up to `max_batch` of one model; with `max_wait_ms` 0 it never waits
    for company. A worker that does both decodes on until a batch is full or nothing is left to decode. Jobs that
    nobody wants any more are dropped on the way.

    Args:
        max_batch: most jobs of one batch.
        max_wait_ms: how long a worker may hold an incomplete batch back, in ms.
        before_sleep: is called by a worker that finds nothing to do; must not block.
    """

    def __init__(self, *, max_batch: int, max_wait_ms: float, before_sleep: Callable[[], None]) -> None:
        self._before_sleep = before_sleep
        self._max_batch = max_batch
        self._max_wait_s = max_wait_ms / 1000
        self._encoded = FairQueue()
        self._ready: deque[Job] = deque()
        self._isolated = FairQueue()
        self._closed = False
        lock = threading.Lock()
        self._sleepers = {role: threading.Condition(lock) for role in Role}
        self._lock = lock

    def put_encoded(self, job: Job) -> None:
        """Adds a job that has yet to be decoded."""
        with self._lock:
            self._encoded.append(job)
            self._wake(Role.DECODE)

    def put_ready(self, job: Job) -> None:
        """Adds a decoded job."""
        with self._lock:
            self._ready.append(job)
            self._wake(Role.INFER)

    def put_isolated(self, job: Job, most: int) -> Job | None:
        """Adds a job that a process of its own has yet to decode; gives the one for which there is no room then."""
        with self._lock:
            self._isolated.append(job)
            self._sleepers[Role.ISOLATED].notify()
            return self._isolated.give_way(job) if len(self._isolated) > most else None

    def close(self) -> None:
        """Makes every `take` return None from now on."""
        with self._lock:
            self._closed = True
            for sleepers in self._sleepers.values():
                sleepers.notify_all()

    @property
    def is_closed(self) -> bool:
        """Whether nothing is given out any more."""
        return self._closed

    @property
    def waiting(self) -> int:
        """Jobs that wait for a worker, those included that nobody wants any more."""
        return len(self._encoded) + len(self._ready)

    @property
    def waiting_isolated(self) -> int:
        """Jobs that wait for a process of their own."""
        return len(self._isolated)

    def take(self, role: Role) -> Job | list[Job] | None:
        """Waits for work.

        Returns:
            One job to decode, or a batch (1 to `max_batch` jobs of one model) to infer, or None after `close`.
        """
        with self._lock:
            while not self._closed:
                if role is Role.ISOLATED:
                    if (job := self._isolated.next_wanted()) is not None:
                        return job
                elif role is not Role.DECODE and (batch := self._take_batch(role)):
                    return batch
                elif role is not Role.INFER and (job := self._encoded.next_wanted()) is not None:
                    return job
                # While it chose, callers may have left, or the end may have come.
                if not self._closed and not self._has_work(role):
                    self._sleep(role, None)
            return None

    def _has_work(self, role: Role) -> bool:
        if role is Role.ISOLATED:
            return bool(self._isolated)
        return bool((role is not Role.DECODE and self._ready) or (role is not Role.INFER and self._encoded))

    def _take_batch(self, role: Role) -> list[Job]:
        if not self._has_ready() or (role is Role.BOTH and self._is_decoding_better()):
            return []
        if self._max_wait_s and not self._wait_for_company(role):
            return []
        model = self._ready[0].model
        batch: list[Job] = []
        passed_over: list[Job] = []
        while self._ready and len(batch) < self._max_batch:
            job = self._ready.popleft()
            if job.is_wanted:
                (batch if job.model is model else passed_over).append(job)
        self._ready.extendleft(reversed(passed_over))
        if self._has_ready():
            self._wake(Role.INFER)
        return batch

    def _is_decoding_better(self) -> bool:
        return len(self._ready) < self._max_batch and bool(self._encoded)

    def _wait_for_company(self, role: Role) -> bool:
        """Waits until a batch is full or its first job has waited long enough; False if there is other work."""
        while len(self._ready) < self._max_batch and not self._closed:
            left_s = self._ready[0].decoded_s + self._max_wait_s - time.perf_counter()
            if left_s <= 0:
                break
            self._sleep(role, left_s)
            if not self._has_ready() or (role is Role.BOTH and self._encoded):
                return False
        return bool(self._ready)

    def _has_ready(self) -> bool:
        while self._ready and not self._ready[0].is_wanted:
            self._ready.popleft()
        return bool(self._ready)

    def _sleep(self, role: Role, timeout_s: float | None) -> None:
        self._before_sleep()
        self._sleepers[role].wait(timeout_s)

    def _wake(self, role: Role) -> None:
        # One more piece of work needs one more worker. A layout has workers for both or workers of each kind.
        self._sleepers[role].notify()
        self._sleepers[Role.BOTH].notify()
