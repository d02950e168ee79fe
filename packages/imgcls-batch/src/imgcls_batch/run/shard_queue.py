"""The shards that are still to be done: each is handed out, and handed out again when its worker failed or died."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from typing import Final

from imgcls_batch.errors import ShardUnfinishedError
from imgcls_batch.run.job import ShardTask

# The same failure three times is one that stays.
_FAILURES: Final = 3
# A worker that dies may be an image's doing, which is found after three deaths, or its machine's. Each further such
# image takes two.
_DEATHS: Final = 9


class ShardQueue:
    """Hands out shards, those of workers that failed or died first.

    Args:
        shards: taken one by one, so that they may be many.
    """

    def __init__(self, shards: Iterable[int]) -> None:
        self._shards = iter(shards)
        self._again: deque[ShardTask] = deque()
        self._failures: Counter[int] = Counter()
        self._deaths: Counter[int] = Counter()

    def next(self) -> ShardTask | None:
        """Takes one; None when there is none now."""
        if self._again:
            return self._again.popleft()
        return None if (shard := next(self._shards, None)) is None else ShardTask(shard)

    @property
    def is_empty(self) -> bool:
        """Whether there is none now."""
        if (task := self.next()) is not None:
            self._again.appendleft(task)
        return task is None

    def failed(self, task: ShardTask, cause: str) -> None:
        """A worker could not do a shard: another tries it, but not for ever.

        Raises:
            ShardUnfinishedError: it was tried often enough.
        """
        self._put_back(task, self._failures, _FAILURES, cause)

    def died(self, task: ShardTask, cause: str) -> None:
        """A worker died on a shard: another does it carefully.

        Raises:
            ShardUnfinishedError: it was tried often enough.
        """
        self._put_back(ShardTask(task.shard, is_careful=True), self._deaths, _DEATHS, cause)

    def _put_back(self, task: ShardTask, counter: Counter[int], most: int, cause: str) -> None:
        counter[task.shard] += 1
        if (attempts := counter[task.shard]) >= most:
            raise ShardUnfinishedError(task.shard, attempts=attempts, cause=cause.rstrip("."))
        self._again.append(task)
