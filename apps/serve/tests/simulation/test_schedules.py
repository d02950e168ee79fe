"""Thousands of schedules of the scheduler under one seed each; bugs that are planted are found."""

from __future__ import annotations

import pytest
from scheduler_simulation import Plant, load, simulate
from simulated_machine import Loaded

# Every planted bug shows up in fewer; `scheduler_simulation.py` goes on to a million.
SCHEDULES = 10_000

BUGS: dict[str, Plant] = {
    "a lost wakeup: a worker that infers is not told of a decoded image": (
        "work_queue",
        "self._ready.append(job)\n            self._wake(Role.INFER)",
        "self._ready.append(job)",
    ),
    "a lost wakeup: a worker whose work became unwanted sleeps on the rest": (
        "work_queue",
        "if not self._closed and not self._has_work(role):",
        "if not self._closed:",
    ),
    "a lost wakeup: a worker sleeps through the end": (
        "work_queue",
        "if not self._closed and not self._has_work(role):",
        "if not self._has_work(role):",
    ),
    "a lost wakeup: whoever waits for pixels is not told that there is room": (
        "budget",
        "self._changed.notify_all()",
        "pass",
    ),
    "a lost answer: held back until more work comes": ("work_queue", "self._before_sleep()", "pass"),
    "a lost answer: inferred and dropped at the end": (
        "scheduler",
        "await asyncio.to_thread(self._join)\n        self._deliver_all()",
        "await asyncio.to_thread(self._join)",
    ),
    "a lost answer: callers of a dead worker wait for their deadline": (
        "scheduler",
        'job.future.set_exception(InferenceError("a worker died"))',
        "pass",
    ),
    "a double answer: to a caller who has been told that it is late": (
        "scheduler",
        "for job, answer in zip(jobs, answers, strict=True):\n            if not job.future.done():",
        "for job, answer in zip(jobs, answers, strict=True):\n            if True:",
    ),
    "a double answer: an image is queued twice": (
        "work_queue",
        "self._encoded.append(job)",
        "self._encoded.append(job)\n            self._encoded.append(job)",
    ),
    "a wrong slot: answers in another order than images": (
        "scheduler",
        "zip(jobs, images, probabilities, strict=True)",
        "zip(jobs, images, probabilities[::-1], strict=True)",
    ),
    "a wrong slot: a caller who has left moves the others": (
        "scheduler",
        "jobs.append(job)\n                images.append(prepared)",
        "images.append(prepared)\n        jobs = batch[: len(images)]",
    ),
    "a wrong model: batches mix them": ("work_queue", "if job.model is model", "if True"),
}


def simulate_many(code: Loaded, schedules: int) -> None:
    for seed in range(schedules):
        simulate(code, seed)


def test_every_image_is_answered_once_and_right_or_refused_by_name() -> None:
    simulate_many(load(), SCHEDULES)


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug: str) -> None:
    with pytest.raises(AssertionError, match=r"^seed \d+: "):
        simulate_many(load(BUGS[bug]), SCHEDULES)


def test_a_seed_repeats_its_schedule() -> None:
    def ends() -> list[tuple[int, float]]:
        code = load()
        return [(run.machine.turns, run.machine.now_s) for run in (simulate(code, seed) for seed in range(100))]

    assert ends() == ends()
