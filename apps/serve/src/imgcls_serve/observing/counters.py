"""What a model has answered: counts by class, confidence and entropy, since it was loaded and lately."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

import numpy as np
from imgcls_core.artifact import REFERENCE_BINS
from imgcls_core.artifact.answer_bins import answer_bins
from imgcls_core.artifact.drift import AnswerCounts
from numpy.typing import NDArray

# The window moves in steps of a twelfth: an hour in steps of five minutes.
_SLOTS: Final = 12
# One row alone costs eight times as much to count as one of many.
_HELD_ROWS: Final = 32


class AnswerCounters:
    """Counts answers; every method may be called from any thread.

    Args:
        classes: how many the model has.
        window_s: how far back `window` looks, in seconds; it forgets in steps of a twelfth, so that it holds between
            eleven and twelve of them.
        clock: in seconds.
    """

    def __init__(self, classes: int, *, window_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.window_s = window_s
        self._classes = classes
        self._clock = clock
        # One row holds the classes, then the bins of confidence, then those of entropy.
        width = classes + 2 * REFERENCE_BINS
        self._total = np.zeros(width, np.int64)
        self._slots = np.zeros((_SLOTS, width), np.int64)
        self._newest = self._slot_now()
        self._held: list[NDArray[np.float32]] = []
        self._held_rows = 0
        self._lock = threading.Lock()

    def add(self, probabilities: NDArray[np.float32]) -> None:
        """Counts answers, float32 [N, classes], which nobody may change any more."""
        with self._lock:
            self._move_on()
            self._held.append(probabilities)
            self._held_rows += len(probabilities)
            if self._held_rows >= _HELD_ROWS:
                self._count()

    def since_load(self) -> AnswerCounts:
        """Gives the counts of all answers."""
        with self._lock:
            self._count()
            return self._counts(self._total.copy())

    def window(self) -> AnswerCounts:
        """Gives the counts of the latest `window_s`."""
        with self._lock:
            self._move_on()
            self._count()
            return self._counts(self._slots.sum(axis=0))

    def _counts(self, row: NDArray[np.int64]) -> AnswerCounts:
        return AnswerCounts(*np.split(row, (self._classes, self._classes + REFERENCE_BINS)))

    def _slot_now(self) -> int:
        return int(self._clock() / self.window_s * _SLOTS)

    def _move_on(self) -> None:
        """Forgets what is too old; what was held back belongs to the time in which it came."""
        if (now := self._slot_now()) == self._newest:
            return
        self._count()
        for passed in range(max(self._newest, now - _SLOTS) + 1, now + 1):
            self._slots[passed % _SLOTS] = 0
        self._newest = now

    def _count(self) -> None:
        if not self._held:
            return
        bins = answer_bins(self._held[0] if len(self._held) == 1 else np.concatenate(self._held))
        self._held, self._held_rows = [], 0
        first_bin = self._classes
        places = (bins.class_ids, first_bin + bins.confidence_bins, first_bin + REFERENCE_BINS + bins.entropy_bins)
        counts = np.bincount(np.concatenate(places), minlength=len(self._total))
        self._total += counts
        self._slots[self._newest % _SLOTS] += counts
