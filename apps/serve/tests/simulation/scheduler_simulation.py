"""A schedule of the scheduler, made by a seed: callers, models that are replaced, faults, and an end.

    python apps/serve/tests/simulation/scheduler_simulation.py --seed 17        one schedule again
    python apps/serve/tests/simulation/scheduler_simulation.py --schedules 1000000

What must hold: each image that was accepted is answered once, with its own answer, or refused by a name that its fate
deserves; no worker sleeps while there is work for it; all threads end.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import itertools
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from imgcls_core.errors import ImageUndecodableError, InferenceError
from imgcls_core.images.preprocess import PreparedImage
from imgcls_serve.errors import DeadlinePassedError, NotReadyError, QueueFullError
from numpy.typing import NDArray
from simulated_machine import Loaded, Machine, machine

PACKAGE: Final = "imgcls_serve.scheduler"
KINDS: Final = ("ordinary", "ordinary", "ordinary", "costly", "array", "undecodable", "buggy")
Plant = tuple[str, str, str]


class WorkerDeathError(BaseException):
    """Not an Exception: it ends the worker."""


@dataclass(eq=False)
class SentImage:
    """An image and what came of it.

    Attributes:
        number: tells it from all others.
        kind: "ordinary", "costly" (decoded by a process of its own), "array", "undecodable", "buggy".
        model: what it was sent to.
        deadline_s: when its time is over.
        is_counted: whether it is traffic.
        is_abandoned: its caller has called it off.
        answered_s: when its future was done.
    """

    number: int
    kind: str
    model: SimulatedModel
    deadline_s: float
    is_counted: bool
    future: asyncio.Future[Any] | None = None
    is_abandoned: bool = False
    answered_s: float | None = None

    @property
    def source(self) -> Any:
        """What is sent: its number, and whether its header tells what it costs."""
        if self.kind == "array":
            return np.array([self.number], np.uint32)
        return (b"costly" if self.kind == "costly" else b"image").ljust(8) + self.number.to_bytes(4, "big")


class SimulatedModel:
    """Answers each image with its number and the model's own; takes time; fails where the seed says so."""

    def __init__(self, run: Run, number: int) -> None:
        self.run, self.number = run, number
        self.preprocessor = self
        self.counted: list[int] = []

    def preprocess(self, source: Any) -> PreparedImage:
        number = int(source[0]) if isinstance(source, np.ndarray) else int.from_bytes(source[8:], "big")
        run, image = self.run, self.run.images[number]
        pixels = number if run.layout.isolated and image.kind not in {"array", "costly"} else 0
        run.decoding += bool(pixels)
        run.pixels += pixels
        run.most_pixels = max(run.most_pixels, run.pixels if run.decoding > 1 else 0)
        run.work()
        run.pixels -= pixels
        run.decoding -= bool(pixels)
        if image.kind == "undecodable":
            raise ImageUndecodableError(f"number {number}")
        if image.kind == "buggy":
            raise ValueError(f"number {number}")
        return PreparedImage(np.array([[[number >> 8, number & 255, self.number]]], np.uint8), number, 1)

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        run = self.run
        run.work()
        high, low, models = images[:, 0, 0].T.astype(np.int32)
        found = high * 256 + low
        numbers: list[int] = found.tolist()
        if (models != self.number).any():
            raise AssertionError(f"model {self.number} was given images {numbers} of models {models.tolist()}")
        chance = run.random.random()
        if chance < run.fault_rate:
            run.failed.update(numbers)
            if chance < run.fault_rate / 4 and run.may_die:
                raise WorkerDeathError
            if chance < run.fault_rate / 2:
                found = found[1:]
            else:
                raise InferenceError("out of luck")
        else:
            run.inferred.update(numbers)
        return np.stack([found, np.full_like(found, self.number)], axis=1).astype(np.float32)

    def count(self, probabilities: NDArray[np.float32]) -> None:
        self.run.counted.update(int(row[0]) for row in probabilities)


class SimulatedProcess:
    """In place of a process that decodes: decodes here, unless it dies or nobody wants the image any more."""

    def prepare(self, model: SimulatedModel, encoded: bytes, is_wanted: Any) -> PreparedImage | None:
        run = model.run
        while run.random.random() < 0.3:
            run.work()
            if not is_wanted():
                return None
        if run.random.random() < run.fault_rate:
            number = int.from_bytes(encoded[8:], "big")
            run.failed[number] += 1
            raise ImageUndecodableError(f"number {number}")
        return model.preprocess(encoded)

    def close(self) -> None:
        """Has nothing to end."""


@dataclass
class Observer:
    """Counts what the scheduler tells."""

    inferred: int = 0
    dropped: list[str] = field(default_factory=list[str])

    def batch_ran(self, images: int) -> None:
        self.inferred += images

    def job_dropped(self, reason: str) -> None:
        self.dropped.append(reason)


class Run:
    """One schedule: what happens by the seed, and what was seen."""

    def __init__(self, code: Loaded, seed: int) -> None:
        self.code = code
        self.machine = Machine(seed, self._check_that_nobody_sleeps_on_work)
        self.random = self.machine.random
        pick = self.random.choice
        self.images: list[SentImage] = []
        self.inferred: collections.Counter[int] = collections.Counter()
        self.failed: collections.Counter[int] = collections.Counter()
        self.counted: collections.Counter[int] = collections.Counter()
        self.refused: collections.Counter[str] = collections.Counter()
        self.deaths: list[BaseException] = []
        self.observer = Observer()
        self.decoding = self.pixels = self.most_pixels = 0
        self.may_die = self.random.random() < 0.2
        self.fault_rate = pick((0.0, 0.05, 0.3))
        self.work_s = pick((0.001, 0.01, 0.1))
        self.queue_size = pick((1, 3, 8, 100))
        self.budget = pick((1, 20, 10_000))
        self.callers = pick((1, 2, 4))
        self.pause_s = pick((0.0, 0.01, 0.1))
        self.patience_s = pick((3 * self.work_s, 30 * self.work_s, 1000.0))
        self.leaving = pick((0.0, 0.0, 0.5))
        self.stops_early = self.random.random() < 0.2
        both = self.random.random() < 0.5
        layout = code.module(f"{PACKAGE}.layout").ThreadLayout
        self.layout = layout(
            "parallel" if both else "wide",
            all_round=pick((1, 2, 3)) if both else 0,
            decoders=0 if both else pick((1, 2)),
            runners=0 if both else pick((1, 2)),
            max_batch=pick((1, 2, 4, 8)),
            max_wait_ms=pick((0.0, 0.0, 5.0)),
            isolated=pick((0, 1, 2)),
        )
        self.models = [SimulatedModel(self, 0)]
        self.is_stopped = False
        self.scheduler: Any = None

    def go(self) -> None:
        """Runs it.

        Raises:
            AssertionError: something that must hold did not.
        """
        self.machine.run(lambda loop: self._main())
        self._check_the_end()

    async def _main(self) -> None:
        self.scheduler = self.code.module(f"{PACKAGE}.scheduler").Scheduler(
            self.layout,
            queue_size=self.queue_size,
            max_decoding_pixels=self.budget,
            observer=self.observer,
            on_death=self.deaths.append,
        )
        self.scheduler.start()
        callers = [asyncio.ensure_future(self._caller(number % 3)) for number in range(self.callers)]
        if self.stops_early:
            await asyncio.sleep(self.random.random() * self.work_s * 10)
        else:
            await asyncio.gather(*callers)
            await self._all_answered()
        self.is_stopped = True
        await self.scheduler.stop()
        await asyncio.gather(*callers)
        await self._all_answered()

    async def _caller(self, address: int) -> None:
        for _ in range(self.random.randrange(1, 5)):
            if self.pause_s:
                await asyncio.sleep(self.random.random() * self.pause_s)
            if self.random.random() < 0.1:  # the model is loaded again; what was sent keeps the old one
                self.models.append(SimulatedModel(self, len(self.models)))
            sent = self._send(self.random.choice((1, 1, 2, 5)), address)
            if sent and self.random.random() < self.leaving:
                await asyncio.sleep(self.random.random() * self.work_s * 3)
                for image in self.random.sample(sent, self.random.randint(1, len(sent))):
                    assert image.future is not None
                    image.is_abandoned = not image.future.done()
                    image.future.cancel()
            elif sent and self.random.random() < 0.7:
                await asyncio.wait([image.future for image in sent if image.future is not None])

    def _send(self, number: int, address: int) -> list[SentImage]:
        deadline_s = machine().now_s + self.random.random() * self.patience_s
        deadline = self.code.module(f"{PACKAGE}.job").Deadline(deadline_s, 1)
        sent: list[SentImage] = []
        try:
            self.scheduler.check_admission(deadline, number, caller=address)
            for _ in range(number):
                kind = self.random.choice(
                    ("ordinary", "ordinary", "ordinary", "costly", "array", "undecodable", "buggy")
                )
                image = SentImage(
                    len(self.images), kind, self.models[-1], deadline_s, is_counted=self.random.random() < 0.8
                )
                self.images.append(image)
                image.future = self.scheduler.submit(
                    image.model, image.source, deadline, caller=address, is_counted=image.is_counted
                )
                image.future.add_done_callback(lambda _, image=image: self._note(image))
                sent.append(image)
        except (QueueFullError, NotReadyError) as error:
            self.refused[type(error).__name__] += 1
            if isinstance(error, NotReadyError) and not self.deaths:
                raise AssertionError("refused as if a worker had died") from error
        waiting = sum(image.kind != "costly" and not image.future.done() for image in self.images if image.future)
        assert waiting <= self.queue_size, f"{waiting} wait where {self.queue_size} may"
        return sent

    def _note(self, image: SentImage) -> None:
        assert image.answered_s is None, f"image {image.number} was answered twice"
        image.answered_s = machine().now_s

    async def _all_answered(self) -> None:
        waiting = [image.future for image in self.images if image.future is not None and image.answered_s is None]
        if waiting:
            await asyncio.wait(waiting)

    def work(self) -> None:
        """Takes time of whoever calls."""
        self.machine.sleep(self.random.random() * self.work_s)

    def _check_that_nobody_sleeps_on_work(self) -> None:
        """Nobody can go on before time moves: whoever sleeps until called has been left alone with what waits."""
        if self.scheduler is None or self.is_stopped or self.machine.late:
            return
        if self.deaths:
            assert not self.scheduler.pending, f"{self.scheduler.pending} wait for a worker that has died"
            return
        stage = self.code.module(f"{PACKAGE}.job").Stage
        workers = [thread for thread in self.machine.threads if thread.name.startswith("imgcls-")]
        asleep = collections.Counter(
            thread.name.split("-")[1]
            for thread in workers
            if getattr(thread.waits_for, "place", "") == f"{PACKAGE}.work_queue"
        )
        costly = sum(image.kind == "costly" and image.answered_s is None for image in self.images if image.future)
        waiting = self.scheduler.count(stage.WAITING) - costly
        assert waiting <= 0 or not (asleep["both"] + asleep["decode"]), f"{waiting} wait to be decoded: {asleep}"
        ready = self.scheduler.count(stage.READY)
        inferring = self.layout.all_round + self.layout.runners
        assert not ready or asleep["both"] + asleep["infer"] < inferring, f"{ready} wait to be inferred: {asleep}"
        pending = self.scheduler.pending
        assert not pending or asleep.total() < len(workers), f"{pending} wait while all sleep"

    def _check_the_end(self) -> None:
        assert self.scheduler.pending == 0, f"{self.scheduler.pending} are still kept"
        for image in self.images:
            if image.future is None:
                continue  # refused at the door
            assert image.future.done(), f"image {image.number} was lost"
            self._check_answer(image, image.future)
        repeated = {number: times for number, times in (self.inferred + self.failed).items() if times > 1}
        assert not repeated, f"inferred more than once: {repeated}"
        expected = {number for number in self.inferred if self.images[number].is_counted}
        assert dict(self.counted) == dict.fromkeys(expected, 1), "counted otherwise than inferred"
        assert self.observer.inferred == self.inferred.total(), "batches were told otherwise than inferred"
        assert self.most_pixels <= self.budget, f"{self.most_pixels} pixels decoded at a time, of {self.budget}"

    def _check_answer(self, image: SentImage, future: asyncio.Future[Any]) -> None:
        what = f"image {image.number} ({image.kind})"
        if future.cancelled():
            assert image.is_abandoned or self.is_stopped, f"{what} was dropped while its caller waited"
            return
        error = future.exception()
        if error is None:
            answer = future.result()
            seen = [int(answer.probabilities[0]), int(answer.probabilities[1]), answer.width_px]
            assert seen == [image.number, image.model.number, image.number], f"{what} got the answer of {seen}"
            assert image.number in self.inferred, f"{what} was answered before it was inferred"
        elif isinstance(error, DeadlinePassedError):
            assert image.answered_s is not None
            assert image.answered_s >= image.deadline_s, f"{what} was called late before it was"
        elif isinstance(error, ImageUndecodableError | ValueError):
            assert str(image.number) in str(error), f"{what} got the error of another"
            deserved = {"undecodable": ImageUndecodableError, "buggy": ValueError}.get(image.kind)
            assert deserved is type(error) or image.number in self.failed, f"{what} was refused for nothing"
        elif isinstance(error, QueueFullError):
            assert image.kind == "costly" or "most of them yours" in str(error), (
                f"{what} was refused after it was accepted"
            )
        elif isinstance(error, InferenceError):
            assert self.deaths or image.number in self.failed, f"{what} failed for nothing"
        else:
            raise AssertionError(f"{what} got {error!r}") from error


def load(planted: Plant | None = None) -> Loaded:
    """Loads the scheduler for the simulation, with a planted bug where one is given."""
    replaced = {
        "IsolatedDecoder": SimulatedProcess,
        "ordinary_pixels": lambda encoded: None if bytes(encoded).startswith(b"costly") else encoded[-1],
    }
    return Loaded(PACKAGE, replaced, planted)


def simulate(code: Loaded, seed: int) -> Run:
    """Runs one schedule.

    Raises:
        AssertionError: something that must hold did not; the text says which seed repeats it.
    """
    run = Run(code, seed)
    try:
        run.go()
    except Exception as error:
        raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
    return run


def main() -> None:
    """Runs one schedule, or many until one fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--schedules", type=int, default=10_000)
    arguments = parser.parse_args()
    first, number = (arguments.first, arguments.schedules) if arguments.seed is None else (arguments.seed, 1)
    code = load()
    began_s = time.perf_counter()
    seen: collections.Counter[str] = collections.Counter()
    for seed in itertools.islice(itertools.count(first), number):
        run = simulate(code, seed)
        seen["images"] += len(run.images)
        seen["inferred"] += run.inferred.total()
        seen["dead workers"] += len(run.deaths)
        seen["dropped"] += len(run.observer.dropped)
        seen["refused"] += run.refused.total()
        seen["models loaded again"] += len(run.models) - 1
        seen["stopped while images waited"] += run.stops_early
    sys.stdout.write(f"{number:,} schedules, all right, {time.perf_counter() - began_s:.0f} s; {dict(seen)}\n")


if __name__ == "__main__":
    main()
