"""Bytes of the next images are fetched while one is answered; a source that hangs costs its own row and no other."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from imgcls_batch.sources.faults import ImageLateError

_GRACE_S: Final = 1.0

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(eq=False)
class Fetched(Generic[Item, Result]):
    """An item and what came of it: a result, or the error."""

    item: Item
    result: Result | None = None
    error: Exception | None = None
    started_s: float | None = None
    ended_s: float = 0.0
    done: threading.Event = field(default_factory=threading.Event)
    is_given_up: bool = False

    @property
    def took_ms(self) -> float:
        """How long it took, in ms."""
        return (self.ended_s - (self.started_s or self.ended_s)) * 1000


class ReadAhead(Generic[Item, Result]):
    """Threads that work ahead of whoever asks; they end with the process.

    Args:
        work: what is done to each item, on a thread.
        threads: how many; twice as many items are under way or wait.
        timeout_s: what `work` keeps to by itself. When it does not, it is late a little later, with the same words, so
            that a row does not depend on who noticed. Its thread cannot be stopped, and another takes its place.
    """

    def __init__(self, work: Callable[[Item], Result], *, threads: int, timeout_s: float) -> None:
        self._work = work
        self._window = 2 * threads
        self._timeout_s = timeout_s
        self._given_up_s = timeout_s + _GRACE_S
        self._queue: queue.SimpleQueue[Fetched[Item, Result]] = queue.SimpleQueue()
        for _ in range(threads):
            self._start()

    def __call__(self, items: Iterable[Item]) -> Iterator[Fetched[Item, Result]]:
        """Gives what came of the items, in their order."""
        under_way: deque[Fetched[Item, Result]] = deque()
        for item in items:
            fetched: Fetched[Item, Result] = Fetched(item)
            under_way.append(fetched)
            self._queue.put(fetched)
            if len(under_way) >= self._window:
                yield self._awaited(under_way)
        while under_way:
            yield self._awaited(under_way)

    def _awaited(self, under_way: deque[Fetched[Item, Result]]) -> Fetched[Item, Result]:
        first = under_way[0]
        while not first.done.wait(self._until_next_deadline(under_way)):
            for late in under_way:
                if self._is_late(late):
                    self._give_up(late)
        return under_way.popleft()

    def _until_next_deadline(self, under_way: Iterable[Fetched[Item, Result]]) -> float:
        started = [one.started_s for one in under_way if one.started_s is not None and not one.done.is_set()]
        if not started:
            return min(1.0, self._given_up_s)  # a thread is about to take it
        return max(0.001, min(started) + self._given_up_s - time.perf_counter())

    def _is_late(self, one: Fetched[Item, Result]) -> bool:
        return (
            one.started_s is not None
            and not one.done.is_set()
            and time.perf_counter() - one.started_s >= self._given_up_s
        )

    def _give_up(self, late: Fetched[Item, Result]) -> None:
        late.is_given_up = True
        late.error = ImageLateError(self._timeout_s)
        late.ended_s = time.perf_counter()
        late.done.set()
        self._start()

    def _start(self) -> None:
        threading.Thread(target=self._serve, name="imgcls-read", daemon=True).start()

    def _serve(self) -> None:
        while True:
            one = self._queue.get()
            one.started_s = time.perf_counter()
            result, error = None, None
            try:
                result = self._work(one.item)
            except Exception as failure:  # noqa: BLE001 - it belongs to this item, whoever asked for it gets it
                error = failure
            if one.is_given_up:
                return
            one.result, one.error, one.ended_s = result, error, time.perf_counter()
            one.done.set()
