"""Closed and open loops: when each call is sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field

from imgcls_sdk.calls import Call
from imgcls_sdk.connection import Connection

from imgcls_client.load.samples import CallSample, Load, percentile
from imgcls_client.load.sender import Sender


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What load to put on a deployment.

    Attributes:
        concurrency: calls under way at once; of an open loop, at most.
        duration_s: how long calls are sent, in seconds.
        rate: calls a second that are sent whatever the service does (open loop), or None to send the next call when
            the last is answered (closed loop).
        warm_up_s: how long before that calls are sent and not counted, in seconds.
        calls: stop after so many, or None.
    """

    concurrency: int
    duration_s: float
    rate: float | None = None
    warm_up_s: float = 0.0
    calls: int | None = None


@dataclass
class LoadRun:
    """One load on a deployment.

    Attributes:
        connection: where to.
        calls: taken in turn.
        plan: how much.
    """

    connection: Connection
    calls: Sequence[Call]
    plan: LoadPlan
    _samples: list[CallSample] = field(init=False, default_factory=list[CallSample])
    _late_ms: list[float] = field(init=False, default_factory=list[float])
    _started: float = field(init=False, default=0.0)

    def run(self) -> Load:
        """Puts the load on and gives every measured call; returns when all are answered."""
        return asyncio.run(self._in_loop())

    async def _in_loop(self) -> Load:
        with closing(Sender(self.connection, self.calls)) as sender:
            if self.plan.warm_up_s:
                await self._closed_loop(sender, LoadPlan(self.plan.concurrency, self.plan.warm_up_s))
            self._begin()
            computed_s = time.process_time()
            await (self._closed_loop if self.plan.rate is None else self._open_loop)(sender, self.plan)
            elapsed_s = self._now_s()
            computed_s = time.process_time() - computed_s
        return Load(
            samples=tuple(self._samples),
            elapsed_s=elapsed_s,
            client_share=computed_s / elapsed_s if elapsed_s else 0.0,
            late_ms=percentile(self._late_ms, 99) if self._late_ms else 0.0,
        )

    def _begin(self) -> None:
        self._samples, self._late_ms, self._started = [], [], time.perf_counter()

    def _now_s(self) -> float:
        return time.perf_counter() - self._started

    async def _measure(self, sender: Sender, number: int, due_s: float) -> None:
        outcome = await sender.send(number)
        self._samples.append(CallSample(due_s, (self._now_s() - due_s) * 1000, outcome))

    async def _closed_loop(self, sender: Sender, plan: LoadPlan) -> None:
        """Keeps `concurrency` callers busy, each sending its next call when the last is answered."""
        self._begin()
        sent = 0

        async def caller() -> None:
            nonlocal sent
            while self._now_s() < plan.duration_s and (plan.calls is None or sent < plan.calls):
                sent += 1
                await self._measure(sender, sent, self._now_s())

        async with asyncio.TaskGroup() as callers:
            for _ in range(plan.concurrency):
                callers.create_task(caller())

    async def _open_loop(self, sender: Sender, plan: LoadPlan) -> None:
        """Sends calls at even times whatever the service does; one that finds no place waits, and its clock runs."""
        rate = plan.rate or 1.0
        places = asyncio.Semaphore(plan.concurrency)
        total = int(plan.duration_s * rate)

        async def call(number: int, due_s: float) -> None:
            async with places:
                await self._measure(sender, number, due_s)

        async with asyncio.TaskGroup() as callers:
            for number in range(total if plan.calls is None else min(total, plan.calls)):
                due_s = number / rate
                await asyncio.sleep(max(0.0, due_s - self._now_s()))
                if not places.locked():
                    self._late_ms.append((self._now_s() - due_s) * 1000)
                callers.create_task(call(number, due_s))
