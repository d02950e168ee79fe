"""The shards that are still to be done: each is handed out, and handed out again when its worker died."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

from imgcls_batch.errors import ShardUnfinishedError


class ShardQueue:
    """Hands out shards, those of workers that died first.

    Args:
        shards: taken one by one, so that they may be many.
        attempts: how often one is tried.
    """

    def __init__(self, shards: Iterable[int], *, attempts: int) -> None:
        self._attempts = attempts
        self._shards = iter(shards)
        self._again: deque[int] = deque()
        self._failures: Counter[int] = Counter()

    def next(self) -> int | None:
        """Takes one; None when there is none now."""
        return self._again.popleft() if self._again else next(self._shards, None)

    @property
    def is_empty(self) -> bool:
        """Whether there is none now."""
        if (shard := self.next()) is not None:
            self._again.appendleft(shard)
        return shard is None

    def failed(self, shard: int, cause: str) -> None:
        """A shard's worker failed or died: somebody else tries it, but not for ever.

        Raises:
            ShardUnfinishedError: it was tried often enough.
        """
        self._failures[shard] += 1
        if (attempts := self._failures[shard]) >= self._attempts:
            raise ShardUnfinishedError(shard, attempts=attempts, cause=cause.rstrip("."))
        self._again.append(shard)
