"""The engine of one machine: a pool of processes, one worker in each; a worker that dies is replaced."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, cast

from imgcls_batch.errors import WorkerFailedError, as_worker_failure
from imgcls_batch.run.job import BatchJob, ShardOutcome, ShardTask
from imgcls_batch.run.shard_queue import ShardQueue
from imgcls_batch.run.worker import ShardWorker

OnImages = Callable[[int], None]

_TELL_EVERY_S: Final = 0.5


@dataclass(frozen=True)
class _Failed:
    """A shard that a worker could not finish; `is_final` when no other worker of this machine could either."""

    error: WorkerFailedError
    is_final: bool


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    pipe: Connection[Any, Any]
    task: ShardTask | None = None


@dataclass
class ProcessPool:
    """Runs workers on this machine.

    Args:
        workers: how many.
        on_images: is told of so many more images, twice a second.
    """

    workers: int
    on_images: OnImages

    def outcomes(self, job: BatchJob, shards: Iterable[int]) -> Iterator[ShardOutcome]:
        """Gives finished shards as they come.

        Args:
            job: the run.
            shards: that are to be done; they are taken one by one.

        Raises:
            ShardUnfinishedError: workers die on a shard again and again.
            WorkerFailedError: what no worker of this machine can mend, such as a golden mismatch.
        """
        waiting = ShardQueue(shards)
        pool: list[_Worker] = []
        try:
            while True:
                while len(pool) < self.workers and (task := waiting.next()) is not None:
                    pool.append(_start(job, task))
                if not pool:
                    return
                ready = wait([worker.pipe for worker in pool])
                for worker in [one for one in pool if one.pipe in ready]:
                    told = _told(worker)
                    if isinstance(told, int):
                        self.on_images(told)
                        continue
                    if isinstance(told, ShardOutcome):
                        yield told
                        if _went_on(worker, waiting.next()):
                            continue
                    else:
                        _put_back(waiting, worker, told)
                    pool.remove(worker)
                    _stop(worker)
        finally:
            for worker in pool:
                worker.process.kill()
            for worker in pool:
                _stop(worker)


def _put_back(shards: ShardQueue, worker: _Worker, told: _Failed | None) -> None:
    """Puts the shard of a worker that ended back."""
    if worker.task is None or (told is not None and told.is_final):
        raise told.error if told is not None else AssertionError("an idle worker died")
    if told is not None:
        shards.failed(worker.task, str(told.error))
    else:
        worker.process.join(1)
        shards.died(worker.task, f"its worker ended with {worker.process.exitcode}")


def _start(job: BatchJob, task: ShardTask) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = cast("tuple[Connection[Any, Any], Connection[Any, Any]]", context.Pipe())
    process = context.Process(target=_work, args=(job, theirs), name="imgcls-batch-worker", daemon=True)
    process.start()
    theirs.close()
    worker = _Worker(process, ours, task)
    with contextlib.suppress(OSError):  # it died already, which the next look at its pipe tells
        ours.send(task)
    return worker


def _went_on(worker: _Worker, task: ShardTask | None) -> bool:
    """Hands a worker its next shard; False when there is none."""
    worker.task = task
    if task is not None:
        with contextlib.suppress(OSError):  # it has just died, which the next look at its pipe tells
            worker.pipe.send(task)
    return task is not None


def _stop(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.join()


def _told(worker: _Worker) -> int | ShardOutcome | _Failed | None:
    """Gives what a worker says; None when it is dead."""
    try:
        return worker.pipe.recv()
    except (EOFError, OSError):
        return None


def _work(job: BatchJob, pipe: Connection[Any, Any]) -> None:
    """The process of a worker. It ends with its coordinator, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    tasks: queue.SimpleQueue[ShardTask] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, tasks), daemon=True).start()
    worker: ShardWorker | None = None
    told_s, untold = time.monotonic(), 0

    def on_images(count: int) -> None:
        nonlocal told_s, untold
        untold += count
        if (now_s := time.monotonic()) - told_s >= _TELL_EVERY_S:
            pipe.send(untold)
            told_s, untold = now_s, 0

    while True:
        task = tasks.get()
        try:
            worker = worker or ShardWorker(job)
            outcome = worker.classify(task, on_images)
        except Exception as error:  # noqa: BLE001 - the coordinator decides
            pipe.send(_Failed(as_worker_failure(error), is_final=worker is None))
            return
        pipe.send(untold)
        untold = 0
        pipe.send(outcome)


def _listen(pipe: Connection[Any, Any], tasks: queue.SimpleQueue[ShardTask]) -> None:
    while True:
        try:
            tasks.put(pipe.recv())
        except (EOFError, OSError):
            os._exit(1)
