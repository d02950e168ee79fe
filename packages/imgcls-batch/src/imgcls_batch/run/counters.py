"""What a session of a run has done so far."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import nlargest
from typing import Final

from imgcls_batch.errors import TooManyBadImagesError
from imgcls_batch.output.sessions import Session, SlowImage
from imgcls_batch.run.job import ShardOutcome

_SLOWEST: Final = 20
# Of fewer images a share says little, unless they are all that there are.
_ENOUGH_IMAGES: Final = 1_000


@dataclass
class SessionCounters:
    """Counts images and rows without an answer from a command's start to its end.

    Args:
        images: of the whole run.
        done_before: of them, answered by earlier sessions.
    """

    images: int
    done_before: int
    done: int = 0
    cpu_s: float = 0.0
    bad: Counter[str] = field(default_factory=Counter[str])
    slowest: list[SlowImage] = field(default_factory=list[SlowImage])
    started_s: float = field(default_factory=time.perf_counter)
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    _under_way: int = 0

    def under_way(self, images: int) -> None:
        """So many more images were answered, in shards that are not finished."""
        self._under_way += images

    def finished(self, outcome: ShardOutcome) -> None:
        """A shard was finished."""
        self.done += outcome.images
        self._under_way = max(0, self._under_way - outcome.images)
        self.cpu_s += outcome.cpu_s
        self.bad.update(outcome.bad)
        candidates = [*self.slowest, *outcome.slowest]
        self.slowest = nlargest(_SLOWEST, candidates, key=lambda one: one.read_ms + one.answer_ms)

    @property
    def seen(self) -> int:
        """Images answered in this session, finished shards or not."""
        return self.done + self._under_way

    @property
    def elapsed_s(self) -> float:
        """Since the session began."""
        return time.perf_counter() - self.started_s

    @property
    def images_per_s(self) -> float:
        """Of this session."""
        return self.seen / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """How long the rest takes at this rate; None before anything is known."""
        left = self.images - self.done_before - self.seen
        return left / self.images_per_s if self.seen else None

    def record(self) -> Session:
        """Gives what is kept of the session."""
        return Session(
            self.started,
            round(self.elapsed_s, 2),
            self.done,
            round(self.images_per_s, 2),
            round(self.cpu_s, 2),
            dict(sorted(self.bad.items())),
            tuple(self.slowest),
        )

    def check_bad(self, limit: float) -> None:
        """Raises if too many images were not answered.

        Args:
            limit: largest share, 0 to 1.

        Raises:
            TooManyBadImagesError: more.
        """
        bad = self.bad.total()
        is_all = self.done_before + self.done == self.images
        if self.done and bad > limit * self.done and (self.done >= _ENOUGH_IMAGES or is_all):
            raise TooManyBadImagesError(bad=bad, images=self.done, limit=limit)
