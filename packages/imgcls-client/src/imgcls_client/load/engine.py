"""Closed and open loops: when each call is sent."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field

from imgcls_client.calls import Call
from imgcls_client.connection import Connection
from imgcls_client.load.samples import Load, Sample, percentile
from imgcls_client.load.sender import Sender

__all__ = ["LoadPlan", "put_load"]


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What load to put on a deployment.

    Attributes:
        concurrency: Calls under way at once; of an open loop, at most.
        duration_s: How long calls are sent, in seconds.
        rate: Calls a second that are sent whatever the service does (open loop), or None to send the next call when
            the last is answered (closed loop).
        warm_up_s: How long before that calls are sent and not counted, in seconds.
        calls: Stop after so many, or None.
    """

    concurrency: int
    duration_s: float
    rate: float | None = None
    warm_up_s: float = 0.0
    calls: int | None = None


@dataclass
class Recorder:
    """Takes samples down and knows the clock of one load."""

    samples: list[Sample] = field(default_factory=list[Sample])
    late_ms: list[float] = field(default_factory=list[float])
    started: float = field(default_factory=time.perf_counter)

    def now_s(self) -> float:
        """Give the seconds since the load began."""
        return time.perf_counter() - self.started

    async def measure(self, sender: Sender, number: int, due_s: float) -> None:
        """Send one call and take it down."""
        sent_s = self.now_s()
        outcome = await sender.send(number)
        ended_s = self.now_s()
        self.samples.append(Sample(due_s, (ended_s - due_s) * 1000, (ended_s - sent_s) * 1000, outcome))


def put_load(connection: Connection, calls: Sequence[Call], plan: LoadPlan) -> Load:
    """Put load on a deployment and give every measured call; returns when all are answered.

    Args:
        connection: Where to.
        calls: Taken in turn.
        plan: How much.
    """
    return asyncio.run(load_in_loop(connection, calls, plan))


async def load_in_loop(connection: Connection, calls: Sequence[Call], plan: LoadPlan) -> Load:
    """Put load on a deployment from a running loop."""
    with closing(Sender(connection, calls)) as sender:
        if plan.warm_up_s:
            await closed_loop(sender, LoadPlan(plan.concurrency, plan.warm_up_s), Recorder())
        recorder = Recorder()
        computed_s = time.process_time()
        await (closed_loop if plan.rate is None else open_loop)(sender, plan, recorder)
        elapsed_s = recorder.now_s()
        computed_s = time.process_time() - computed_s
    return Load(
        samples=tuple(recorder.samples),
        elapsed_s=elapsed_s,
        client_share=computed_s / elapsed_s if elapsed_s else 0.0,
        late_ms=percentile(recorder.late_ms, 99) if recorder.late_ms else 0.0,
    )


async def closed_loop(sender: Sender, plan: LoadPlan, recorder: Recorder) -> None:
    """Keep `concurrency` callers busy, each sending its next call when the last is answered."""
    sent = 0

    async def caller() -> None:
        nonlocal sent
        while recorder.now_s() < plan.duration_s and (plan.calls is None or sent < plan.calls):
            sent += 1
            await recorder.measure(sender, sent, recorder.now_s())

    async with asyncio.TaskGroup() as callers:
        for _ in range(plan.concurrency):
            callers.create_task(caller())


async def open_loop(sender: Sender, plan: LoadPlan, recorder: Recorder) -> None:
    """Send calls at even times whatever the service does; one that finds no place waits, and its clock runs."""
    rate = plan.rate or 1.0
    places = asyncio.Semaphore(plan.concurrency)
    total = int(plan.duration_s * rate)

    async def call(number: int, due_s: float) -> None:
        async with places:
            await recorder.measure(sender, number, due_s)

    async with asyncio.TaskGroup() as callers:
        for number in range(total if plan.calls is None else min(total, plan.calls)):
            due_s = number / rate
            await asyncio.sleep(max(0.0, due_s - recorder.now_s()))
            if not places.locked():
                recorder.late_ms.append((recorder.now_s() - due_s) * 1000)
            callers.create_task(call(number, due_s))
