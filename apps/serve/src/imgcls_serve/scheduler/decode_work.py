"""What a worker does with an image that is yet to be decoded."""

from __future__ import annotations

import time
from typing import Final

from imgcls_core.decoding.isolated import IsolatedDecoder
from imgcls_core.images.header import ordinary_pixels

from imgcls_serve.scheduler.budget import PixelBudget
from imgcls_serve.scheduler.job import Job, Stage
from imgcls_serve.scheduler.work_queue import WorkQueue

# Images that may wait for each process of their own; each takes a second at most.
_MAX_WAITING: Final = 8


class DecodeWork:
    """Decodes ordinary images at once, and leaves the others to processes that can be ended.

    Args:
        queue: where jobs come from and go to.
        isolated: how many such processes there are; with none all images are decoded here.
        budget: how many pixels may be decoded at a time.
    """

    def __init__(self, queue: WorkQueue, isolated: int, budget: PixelBudget) -> None:
        self._queue = queue
        self._isolated = isolated
        self._budget = budget

    def run(self, job: Job, isolated: IsolatedDecoder | None) -> Job | None:
        """Decodes a job's image and makes the job ready, or puts it where a process of its own decodes it.

        Args:
            job: its image is in memory.
            isolated: the caller's process, where it is a thread that waits for one.

        Returns:
            A job that is refused, where too many wait for a process of their own: the latest of whoever has most.

        Raises:
            ImageError: it cannot be decoded.
        """
        source = job.source
        if source is None:  # its caller has just left
            return None
        pixels: int | None = 0
        encoded = source if self._isolated and isinstance(source, bytes | bytearray | memoryview) else None
        if encoded is not None and isolated is None and (pixels := ordinary_pixels(encoded)) is None:
            job.is_isolated = True
            return self._queue.put_isolated(job, _MAX_WAITING * self._isolated)
        job.stage = Stage.DECODING
        started_s = time.perf_counter()
        job.waited_s = started_s - job.submitted_s
        if isolated is not None and encoded is not None:
            job.prepared = isolated.prepare(
                job.model.preprocessor, encoded, lambda: job.is_wanted and not self._queue.is_closed
            )
        else:
            with self._budget.hold(pixels or 0):
                job.prepared = job.model.preprocess(source)
        job.decoded_s = time.perf_counter()
        job.decode_s = job.decoded_s - started_s
        job.source = None
        job.stage = Stage.READY
        self._queue.put_ready(job)
        return None
