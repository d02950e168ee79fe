"""Jobs that wait, their callers in turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from imgcls_serve.scheduler.job import Job


class FairQueue:
    """Gives one job of each caller in turn, those of one caller in the order of their coming; not thread-safe.

    Its memory is that of its jobs: nothing is kept of a caller who has none.
    """

    def __init__(self) -> None:
        self._of_caller: dict[Hashable, deque[Job]] = {}
        self._turns: deque[deque[Job]] = deque()
        self._size = 0

    def __len__(self) -> int:
        """Jobs, those included that nobody wants any more."""
        return self._size

    def append(self, job: Job) -> None:
        """Adds a job; a caller who has none yet gets the last turn."""
        jobs = self._of_caller.get(job.caller)
        if jobs is None:
            jobs = self._of_caller[job.caller] = deque()
            self._turns.append(jobs)
        jobs.append(job)
        self._size += 1

    def give_way(self, newest: Job) -> Job:
        """Takes out the latest job of the caller who has most; among equals the newest's."""
        jobs = max(self._turns, key=lambda jobs: (len(jobs), jobs[-1] is newest))
        job = jobs.pop()
        self._size -= 1
        if not jobs:
            self._turns.remove(jobs)
            del self._of_caller[job.caller]
        return job

    def next_wanted(self) -> Job | None:
        """Takes the next job that somebody still wants, and forgets those before it."""
        while self._turns:
            jobs = self._turns.popleft()
            job = jobs.popleft()
            self._size -= 1
            if jobs:
                self._turns.append(jobs)
            else:
                del self._of_caller[job.caller]
            if job.is_wanted:
                return job
        return None
