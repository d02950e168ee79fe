"""Who may have how many images waiting: as many as there is room for, in fair shares once there is none."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

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

    def images(self, speed: Speed, processes: int = 1) -> int:
        """Gives the number for so many processes, each of a speed."""
        answered = speed.images_within(self.within_s / _CAUTION)
        return self.least if answered is None else max(self.least, min(self.most, answered * processes))


class Elsewhere(Protocol):
    """The images that wait in other processes, which share one queue's size with this one.

    Attributes:
        workers: how many processes there are.
    """

    workers: int

    @property
    def others(self) -> int:
        """How many wait there."""
        ...

    def set(self, own: int) -> None:
        """Says how many wait here."""
        ...

    def note(self, caller: Hashable, images: int) -> None:
        """Says how many of a caller wait here."""
        ...

    def key(self, caller: Hashable) -> Hashable:
        """Gives the name by which all processes know a caller."""
        ...

    def by_caller(self) -> Mapping[Hashable, int]:
        """Gives how many of each caller wait there, by key."""
        ...

    def let_give_way(self, key: Hashable) -> None:
        """Lets the latest of a caller give way there."""
        ...


class Admission:
    """The images that were accepted and are unanswered, by caller.

    While there is room everybody is let in. When there is none, whoever has fewer images waiting than another takes the
    place of that one's latest. Nothing is kept of a caller who has no image waiting.

    Args:
        bounds: how many images there may be.
        speed: how long they take.
        waiting_isolated: how many images at most wait for processes of their own; those are in nobody's way.
        elsewhere: what waits in other processes; None where there is none.
    """

    def __init__(
        self,
        bounds: QueueBounds | int,
        speed: Speed,
        waiting_isolated: Callable[[], int],
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._elsewhere = elsewhere
        self._bounds = bounds if isinstance(bounds, QueueBounds) else QueueBounds(bounds, bounds, 0.0)
        self._speed = speed
        self._waiting_isolated = waiting_isolated
        self._of_caller: dict[Hashable, dict[Job, None]] = {}
        self._count = 0
        self._coming: deque[tuple[float, Hashable]] = deque()

    @property
    def queue_size(self) -> int:
        """Most images that may be accepted and unanswered now."""
        return self._bounds.images(self._speed, self._elsewhere.workers if self._elsewhere is not None else 1)

    @property
    def everywhere(self) -> int:
        """Images accepted and unanswered in all processes."""
        return self._waiting + (self._elsewhere.others if self._elsewhere is not None else 0)

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
            self._tell(job.caller)

    def is_crowded(self, left_s: float) -> bool:
        """Whether an image with so much time left may be refused, now or when it has come."""
        size = self.queue_size
        nearly = _NEARLY * size
        count = self._count + nearly
        return self.everywhere + nearly >= size or count * self._speed.s_per_image * _CAUTION > left_s

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
        waiting, everywhere, size = self._waiting + coming, self.everywhere + coming, self.queue_size
        if not everywhere:
            if images > size:
                raise self._refusal(f"0 of at most {size} images wait", 0.0)
            return
        most_s = waiting * self._speed.s_per_image * _CAUTION
        if everywhere + images > size:
            own, _, largest = self._shares(caller)
            if largest - images < own + coming + images:
                raise self._refusal(f"{everywhere} of at most {size} images wait", most_s)
        own = len(self._of_caller.get(caller, ())) + coming
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
        size, latest = self.queue_size, None
        for place, (_, one) in enumerate(self._coming):
            if one == job.caller:  # it has come
                del self._coming[place]
                break
        if self._elsewhere is not None:
            self._elsewhere.set(self._waiting + 1)  # before it looks: see `rows.py`
        if (everywhere := self.everywhere) >= size:
            own, key, largest = self._shares(job.caller)
            latest = self._latest_of(key) if largest >= own + 2 else None
            if latest is not None:
                self._refuse_latest(latest)
            elif self._elsewhere is not None and largest >= own + 2:
                self._elsewhere.let_give_way(key)
            else:
                self._tell(job.caller)
                raise self._refusal(f"{everywhere} of at most {size} images wait", 0.0)
        self._of_caller.setdefault(job.caller, {})[job] = None
        self._count += 1
        self._tell(job.caller)
        return latest

    def give_way(self, key: Hashable) -> bool:
        """Lets the latest image of a caller give way to one that waits in another process; False where none can."""
        if (latest := self._latest_of(key)) is not None:
            self._refuse_latest(latest)
        return latest is not None

    def _refuse_latest(self, job: Job) -> None:
        everywhere = self.everywhere
        self.discard(job)
        reason = f"{everywhere} of at most {self.queue_size} images wait, most of them yours"
        job.future.set_exception(self._refusal(reason, 0.0))

    def _tell(self, caller: Hashable) -> None:
        if self._elsewhere is not None:
            self._elsewhere.set(self._waiting)
            self._elsewhere.note(caller, len(self._of_caller.get(caller, ())))

    def _key(self, caller: Hashable) -> Hashable:
        return self._elsewhere.key(caller) if self._elsewhere is not None else caller

    @property
    def _waiting(self) -> int:
        if not self._waiting_isolated():  # nearly always
            return self._count
        return sum(not (job.is_isolated and job.stage is Stage.WAITING) for job in self)

    def _shares(self, caller: Hashable) -> tuple[int, Hashable, int]:
        """Gives how many images a caller has everywhere, and of the others the one with most: its key, how many."""
        shares = dict(self._elsewhere.by_caller()) if self._elsewhere is not None else {}
        for one, jobs in self._of_caller.items():
            key = self._key(one)
            shares[key] = shares.get(key, 0) + len(jobs)
        own = shares.pop(self._key(caller), 0)
        key = max(shares, key=lambda one: shares[one], default=None)
        return own, key, shares.get(key, 0)

    def _latest_of(self, key: Hashable) -> Job | None:
        """Gives the latest image of a caller that still waits for a worker."""
        jobs = next((jobs for one, jobs in self._of_caller.items() if self._key(one) == key), dict[Job, None]())
        waits = {Stage.WAITING, Stage.READY}
        return next(
            (job for job in reversed(jobs) if job.stage in waits and job.is_wanted and not job.is_isolated), None
        )

    def _refusal(self, reason: str, wait_s: float) -> QueueFullError:
        return QueueFullError(reason, retry_after_s=max(1, math.ceil(wait_s)))
