"""Who may have how many images waiting: as many as there is room for, in fair shares once there is none."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass

from imgcls_serve.errors import QueueFullError
from imgcls_serve.scheduler.job import Job, Stage
from imgcls_serve.scheduler.speed import Speed

# What waits may take so much longer than it lately did: neighbours on the machine come and go.
_CAUTION = 1.5

# Of the queue: when so much of it is free, and no more, images that are about to come count.
_NEARLY = 0.125
# How long: most bodies have come by then.
_COMING_S = 0.2


@dataclass(frozen=True)
class QueueBounds:
    """How many images may be accepted and unanswered.

    Args:
        least: so many in any case.
        most: never more, for they take memory. As `least` where the number was set.
        within_s: between the two as many as are likely to be answered in so many seconds.
    """

    least: int
    most: int
    within_s: float

    def images(self, speed: Speed) -> int:
        """Gives the number at a speed."""
        answered = speed.images_within(self.within_s / _CAUTION)
        return self.least if answered is None else max(self.least, min(self.most, answered))


class Admission:
    """The images that were accepted and are unanswered, by caller.

    While there is room everybody is let in. When there is none, whoever has fewer images waiting than another takes the
    place of that one's latest. Nothing is kept of a caller who has no image waiting.

    Args:
        bounds: how many images there may be.
        speed: how long they take.
        waiting_isolated: how many images at most wait for processes of their own; those are in nobody's way.
    """

    def __init__(self, bounds: QueueBounds, speed: Speed, waiting_isolated: Callable[[], int]) -> None:
        self._bounds = bounds
        self._speed = speed
        self._waiting_isolated = waiting_isolated
        self._of_caller: dict[Hashable, dict[Job, None]] = {}
        self._count = 0
        self._coming: deque[tuple[float, Hashable]] = deque()

    @property
    def queue_size(self) -> int:
        """Most images that may be accepted and unanswered now."""
        return self._bounds.images(self._speed)

    def __len__(self) -> int:
        """Images accepted and unanswered."""
        return self._count

    def __iter__(self) -> Iterator[Job]:
        """Gives them."""
        return (job for jobs in list(self._of_caller.values()) for job in list(jobs))

    def discard(self, job: Job) -> None:
        """The image was answered, or nobody waits for it any more; may be said again."""
        jobs = self._of_caller.get(job.caller)
        if jobs is not None and job in jobs:
            del jobs[job]
            self._count -= 1
            if not jobs:
                del self._of_caller[job.caller]

    def is_crowded(self, left_s: float) -> bool:
        """Whether an image with so much time left may be refused, now or when it has come."""
        size = self.queue_size
        count = self._count + _NEARLY * size
        return count >= size or count * self._speed.s_per_image * _CAUTION > left_s

    def expect(self, caller: Hashable, *, now_s: float, left_s: float) -> None:
        """Says whether an image would have a place, and for a moment counts it with its caller's until it has come.

        Otherwise all that ask in the moment of one free place would be told to send their images.

        Raises:
            QueueFullError: it would not.
        """
        while self._coming and self._coming[0][0] < now_s - _COMING_S:
            self._coming.popleft()
        coming = sum(one == caller for _, one in self._coming)
        self.check(caller, 1, left_s=left_s, coming=coming)
        self._coming.append((now_s, caller))

    def check(self, caller: Hashable, images: int, *, left_s: float, coming: int = 0) -> None:
        """Raises if a caller may not have so many more images waiting.

        Args:
            caller: who asks.
            images: how many.
            left_s: time until nobody waits for them; what is before them must be done by then.
            coming: how many more this caller has been told to send.

        Raises:
            QueueFullError: it may not.
        """
        waiting, size = self._waiting + coming, self.queue_size
        if not waiting:
            if images > size:
                raise self._refusal(f"0 of at most {size} images wait", 0.0)
            return
        own = len(self._of_caller.get(caller, ())) + coming
        most_s = waiting * self._speed.s_per_image * _CAUTION
        if waiting + images > size and self._largest(caller) - images < own + images:
            raise self._refusal(f"{waiting} of at most {size} images wait", most_s)
        if most_s > left_s:
            # Callers take turns: no other has more images before the next of this one than it has itself.
            others = (min(len(jobs), own + 1) for one, jobs in self._of_caller.items() if one != caller)
            ahead = min(waiting, own + sum(others))
            wait_s = ahead * self._speed.s_per_image * _CAUTION
            if wait_s > left_s:
                reason = f"{ahead} images wait and take about {wait_s:.1f} s, longer than this request's deadline"
                raise self._refusal(reason, wait_s)

    def add(self, job: Job) -> Job | None:
        """Takes an image in, in the place of another caller's where there is no room.

        Returns:
            The image that gave way, whose caller has been told.

        Raises:
            QueueFullError: there is no room and no place to take.
        """
        waiting, size, latest = self._waiting, self.queue_size, None
        for place, (_, one) in enumerate(self._coming):
            if one == job.caller:  # it has come
                del self._coming[place]
                break
        if waiting >= size:
            if (latest := self._latest_of_largest(job.caller)) is None:
                raise self._refusal(f"{waiting} of at most {size} images wait", 0.0)
            self.discard(latest)
            refusal = self._refusal(f"{waiting} of at most {size} images wait, most of them yours", 0.0)
            latest.future.set_exception(refusal)
        self._of_caller.setdefault(job.caller, {})[job] = None
        self._count += 1
        return latest

    @property
    def _waiting(self) -> int:
        if not self._waiting_isolated():  # nearly always
            return self._count
        return sum(not (job.is_isolated and job.stage is Stage.WAITING) for job in self)

    def _largest(self, caller: Hashable) -> int:
        return max((len(jobs) for one, jobs in self._of_caller.items() if one != caller), default=0)

    def _latest_of_largest(self, caller: Hashable) -> Job | None:
        """Gives the latest image of the caller who has most, if it still waits for a worker."""
        own = len(self._of_caller.get(caller, ()))
        one = max(
            (one for one in self._of_caller if one != caller), key=lambda one: len(self._of_caller[one]), default=None
        )
        jobs = self._of_caller[one] if one is not None else {}
        if len(jobs) < own + 2:
            return None
        waits = {Stage.WAITING, Stage.READY}
        return next(
            (job for job in reversed(jobs) if job.stage in waits and job.is_wanted and not job.is_isolated), None
        )

    def _refusal(self, reason: str, wait_s: float) -> QueueFullError:
        return QueueFullError(reason, retry_after_s=max(1, math.ceil(wait_s)))
