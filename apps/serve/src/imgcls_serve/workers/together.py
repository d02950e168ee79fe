"""What all workers have in common: the same models, and one answer to whoever asks how the service is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncGenerator, Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from imgcls_core.artifact.drift import AnswerCounts
from imgcls_core.errors import ArtifactError, ImgclsError

from imgcls_serve.errors import ModelRefusedError
from imgcls_serve.models.registry import ModelRegistry
from imgcls_serve.models.served_model import ServedModel
from imgcls_serve.observing.processes import Processes
from imgcls_serve.observing.state_metrics import ObservedModel, ServiceState
from imgcls_serve.workers.calls import CallFailedError, Calls
from imgcls_serve.workers.rows import Figure
from imgcls_serve.workers.seat import Seat, SharedCount, WaitingElsewhere

logger = logging.getLogger(__name__)

_LOOK_S: Final = 0.02
# Whoever does not answer within it is left out of what is told.
_STATE_S: Final = 2.0


class _Models(msgspec.Struct):
    default: str | None
    loaded: dict[str, str]


class _Counts(msgspec.Struct):
    window: list[list[int]]
    since_load: list[list[int]]


class _State(msgspec.Struct):
    pending: dict[str, int]
    requests: int
    models: dict[str, _Counts]


@dataclass(frozen=True)
class SummedCounters:
    """What a model has answered in several workers; as `AnswerCounters` is read."""

    window_s: float
    parts: tuple[_Counts, ...]

    def window(self) -> AnswerCounts:
        """Gives the counts of the latest `window_s`."""
        return _sum([one.window for one in self.parts])

    def since_load(self) -> AnswerCounts:
        """Gives the counts of all answers."""
        return _sum([one.since_load for one in self.parts])


class Together:
    """One worker's part in what all do.

    Args:
        seat: its place.
        registry: its models.
        timeout_s: how long a load may take.
        state: gives its own state.
        give_way: lets the latest image of a caller give way.
    """

    def __init__(
        self,
        seat: Seat,
        registry: ModelRegistry,
        *,
        timeout_s: float,
        state: Callable[[], ServiceState],
        give_way: Callable[[int], object],
    ) -> None:
        self.seat, self.rows = seat, seat.rows
        self._registry = registry
        self._timeout_s = 3 * timeout_s  # it may be tried in a process first
        self._state = state
        self._give_way = give_way
        self._staged: ServedModel | None = None
        self._calls = Calls(seat.folder, seat.slot, seat.workers, self._answer)
        self._tasks: set[asyncio.Task[Any]] = set()
        self.waiting = WaitingElsewhere(self.rows, seat.slot, self._tell_to_give_way)

    def count(self, field: Figure) -> SharedCount:
        """Gives a number whose sum is limited."""
        return SharedCount(self.rows, self.seat.slot, field)

    def write(self, field: Figure, value: int) -> None:
        """Tells the supervisor and the others."""
        self.rows.write(self.seat.slot, field, value)

    def processes(self) -> Processes:
        """Gives what is measured of all workers and their supervisor."""
        found = [self.rows.read(slot, Figure.PID) for slot in range(self.seat.workers)]
        return Processes([pid for pid in found if pid], parent=os.getppid())

    async def join(self, *, is_ready: Callable[[], bool]) -> None:
        """Takes over what the others have: the same models in the same versions, the same default one.

        Args:
            is_ready: whether it answers images; it is given connections first then.

        Raises:
            ImgclsError: that cannot be.
        """
        async with self._alone():
            found = await self._calls.ask_others("models", timeout_s=self._timeout_s)
            await self._calls.listen()
            if found:
                await self._take_over([msgspec.convert(one, _Models) for one in found])
        self.write(Figure.IS_UP, int(is_ready()))

    async def _take_over(self, others: list[_Models]) -> None:
        first = others[0]
        for name in first.loaded:
            if len({one.loaded.get(name) for one in (*others, self._own())}) > 1:
                await self._load(name)  # the file has changed since: all take the new version
        if first.default is not None:
            self._registry.set_default(first.default)
        for name in self._own().loaded.keys() - first.loaded.keys():
            self._registry.unload(name)

    def leave(self) -> None:
        """Answers the others no more."""
        self._calls.close()

    async def load(self, name: str) -> ServedModel:
        """Loads a model in all workers, or in none; raises as `ModelRegistry.load`."""
        async with self._alone():
            return await self._load(name)

    async def set_default(self, name: str) -> None:
        """Makes a model the default one of all; raises as `ModelRegistry.set_default`."""
        async with self._alone():
            self._registry.set_default(name)
            await self._calls.ask_others("default", name, timeout_s=self._timeout_s)

    async def unload(self, name: str) -> None:
        """Lets all forget a model; raises as `ModelRegistry.unload`."""
        async with self._alone():
            self._registry.unload(name)
            await self._calls.ask_others("unload", name, timeout_s=self._timeout_s)

    async def state(self) -> ServiceState:
        """Gives the state of all workers as that of one service."""
        own = self._state()
        with contextlib.suppress(CallFailedError):
            found = await self._calls.ask_others("state", timeout_s=_STATE_S)
            return self._summed(own, [_own_state(own), *(msgspec.convert(one, _State) for one in found)])
        return self._summed(own, [_own_state(own)])

    async def _load(self, name: str) -> ServedModel:
        model = await self._registry.prepare(name)
        try:
            await self._calls.ask_others("prepare", [name, model.sha256], timeout_s=self._timeout_s)
        except CallFailedError as error:
            with contextlib.suppress(CallFailedError):
                await self._calls.ask_others("forget", timeout_s=self._timeout_s)
            raise ModelRefusedError(name, ArtifactError(f"another worker: {error}"), model.path) from error
        self._registry.take(model)
        await self._calls.ask_others("take", timeout_s=self._timeout_s)
        return model

    def _own(self) -> _Models:
        loaded = {name: model.sha256 for name, model in self._registry.loaded.items()}
        return _Models(self._registry.default_name, loaded)

    async def _answer(self, call: str, argument: Any) -> Any:  # noqa: ANN401 - as sent
        answers: Mapping[str, Callable[[Any], Any]] = {
            "models": lambda _: msgspec.to_builtins(self._own()),
            "state": lambda _: msgspec.to_builtins(_own_state(self._state())),
            "prepare": self._prepare,
            "take": self._take,
            "forget": self._forget,
            "default": self._registry.set_default,
            "unload": self._registry.unload,
            "give_way": lambda key: bool(self._give_way(key)),
        }
        answer: Any = answers[call](argument)
        return await answer if asyncio.iscoroutine(answer) else answer

    async def _prepare(self, asked: tuple[str, str]) -> None:
        name, sha256 = asked
        model = await self._registry.prepare(name, is_tried=True)
        if model.sha256 != sha256:
            raise ArtifactError("the file has changed while it was loaded")
        self._staged = model

    def _take(self, _: object) -> None:
        if self._staged is not None:
            self._registry.take(self._staged)
        self._staged = None

    def _forget(self, _: object) -> None:
        self._staged = None

    def _tell_to_give_way(self, slot: int, key: Hashable) -> None:
        async def tell() -> None:
            with contextlib.suppress(OSError, ImgclsError):
                await self._calls.ask(slot, "give_way", key, timeout_s=_STATE_S)

        task = asyncio.get_running_loop().create_task(tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _summed(self, own: ServiceState, states: list[_State]) -> ServiceState:
        models: dict[str, ObservedModel] = {}
        for name, model in own.models.items():
            parts = tuple(one.models[name] for one in states if name in one.models)
            models[name] = replace(model, counters=SummedCounters(model.counters.window_s, parts))
        return replace(
            own,
            pending_images={stage: sum(one.pending.get(stage, 0) for one in states) for stage in own.pending_images},
            requests_in_flight=sum(one.requests for one in states),
            bytes_held=self.rows.sum(Figure.HELD_BYTES),
            models=models,
            workers=self.rows.sum(Figure.IS_UP),
            worker_deaths=self.rows.sum(Figure.DEATHS),
        )

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncGenerator[None]:
        """Lets no other worker change its models meanwhile; the system unlocks what a dead one has locked."""
        import fcntl  # noqa: PLC0415 - not on Windows

        with (self.seat.folder / "models.lock").open("w") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(_LOOK_S)
            yield


def _own_state(state: ServiceState) -> _State:
    models = {
        name: _Counts(_rows(model.counters.window()), _rows(model.counters.since_load()))
        for name, model in state.models.items()
    }
    return _State(dict(state.pending_images), state.requests_in_flight, models)


def _rows(counts: AnswerCounts) -> list[list[int]]:
    return [one.tolist() for one in (counts.classes, counts.confidence, counts.entropy)]


def _sum(parts: list[list[list[int]]]) -> AnswerCounts:
    return AnswerCounts(*(np.sum([np.array(part[row]) for part in parts], axis=0) for row in range(3)))


def metrics_folder(folder: Path) -> Path:
    """Gives where the workers' counters are; those of workers that have ended stay."""
    return folder / "metrics"
