"""A process that is the whole service: what `Together` does, without others."""

from __future__ import annotations

import os
from collections.abc import Callable

from imgcls_serve.models.registry import ModelRegistry
from imgcls_serve.models.served_model import ServedModel
from imgcls_serve.observing.processes import Processes
from imgcls_serve.observing.state_metrics import ServiceState
from imgcls_serve.workers.rows import Figure


class Alone:
    """The only process; see `Together` for what each method does.

    Args:
        registry: its models.
        state: gives its state.

    Attributes:
        waiting: None, for nothing waits elsewhere.
        seat: None, for it has no place among others.
    """

    waiting = seat = None

    def __init__(self, registry: ModelRegistry, state: Callable[[], ServiceState]) -> None:
        self._registry, self._state = registry, state

    def count(self, field: Figure) -> None:
        """Gives None: the sum is one's own."""

    async def join(self, *, is_ready: Callable[[], bool]) -> None:
        """Has nobody to join."""

    def leave(self) -> None:
        """Has nobody to leave."""

    async def load(self, name: str) -> ServedModel:
        """Loads a model."""
        return await self._registry.load(name)

    async def set_default(self, name: str) -> None:
        """Makes a model the default one."""
        self._registry.set_default(name)

    async def unload(self, name: str) -> None:
        """Forgets a model."""
        self._registry.unload(name)

    async def state(self) -> ServiceState:
        """Gives the state of the service."""
        return self._state()

    def processes(self) -> Processes:
        """Gives what is measured of the process."""
        return Processes([os.getpid()])
