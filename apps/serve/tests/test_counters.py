from __future__ import annotations

import threading

import numpy as np
from imgcls_serve.observing.counters import AnswerCounters
from numpy.typing import NDArray

SURE = np.array([[0.02, 0.96, 0.02]], np.float32)
UNSURE = np.array([[0.34, 0.33, 0.33]], np.float32)


class Clock:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 5000.0

    def __call__(self) -> float:
        return self.now_s


def rows(*answers: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate(answers)


def test_an_answer_is_counted_by_class_confidence_and_entropy() -> None:
    counters = AnswerCounters(3, window_s=3600)
    counters.add(rows(SURE, SURE, UNSURE))
    for counts in (counters.window(), counters.since_load()):
        assert counts.answers == 3
        assert counts.classes.tolist() == [1, 2, 0]
        assert (counts.confidence[19], counts.confidence[6]) == (2, 1)
        assert counts.entropy[19] == 1
        assert counts.confidence.sum() == counts.entropy.sum() == 3


def test_the_window_forgets_step_by_step_and_the_total_never() -> None:
    clock = Clock()
    counters = AnswerCounters(3, window_s=1200, clock=clock)
    seen: list[int] = []
    for _ in range(20):
        counters.add(SURE)
        seen.append(counters.window().answers)
        clock.now_s += 100
    assert seen == [*range(1, 13), *[12] * 8]
    assert counters.since_load().answers == 20


def test_the_window_is_empty_after_a_silence() -> None:
    clock = Clock()
    counters = AnswerCounters(3, window_s=1200, clock=clock)
    counters.add(rows(SURE, UNSURE))
    clock.now_s += 1199
    assert counters.window().answers == 2
    clock.now_s += 1
    assert counters.window().answers == 0
    clock.now_s += 10_000
    counters.add(UNSURE)
    assert counters.window().classes.tolist() == [1, 0, 0]


def test_no_answer_is_lost_among_threads() -> None:
    counters = AnswerCounters(3, window_s=3600)
    together = threading.Barrier(4)

    def work() -> None:
        together.wait(5)
        for _ in range(500):
            counters.add(rows(SURE, UNSURE))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counters.since_load().classes.tolist() == counters.window().classes.tolist() == [2000, 2000, 0]
