"""Which models are in memory: who was asked least recently leaves where another needs the room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from itertools import count

from imgcls_core.errors import ArtifactError

from imgcls_serve.models.served_model import ServedModel


class NoRoomError(ArtifactError):
    """A model that does not fit into the memory of all models, whichever others leave."""

    def __init__(self, name: str, *, needed: int, left: int) -> None:
        super().__init__(
            f"Model {name!r} takes {needed / 1e6:,.1f} MB, and beside those that stay in memory there is room for "
            f"{max(0, left) / 1e6:,.1f} MB (`IMGCLS_MODELS_MEMORY`)."
        )


class Residency:
    """Keeps the models of a process within a limit of memory; all methods are for the thread of one event loop.

    A model leaves only while no request holds it, never the default one, and never one of which no graph is kept to
    bring it back from.

    Args:
        limit: bytes of all of them; 0 is any.
        models: those of the process, by name.
        is_pinned: whether a model of this name may not leave.
        on_eviction: is told the name of one that has left.
        patience_s: how long a model waits for others to be free.

    Attributes:
        limit: as given.
        evictions: how many have left.
    """

    def __init__(
        self,
        limit: int,
        models: Mapping[str, ServedModel],
        *,
        is_pinned: Callable[[str], bool],
        on_eviction: Callable[[str], None],
        patience_s: float,
    ) -> None:
        self.limit = limit
        self.evictions = 0
        self._models = models
        self._is_pinned = is_pinned
        self._on_eviction = on_eviction
        self._patience_s = patience_s
        self._reserved = 0
        self._uses = count(1)
        self._change = asyncio.Event()

    @property
    def bytes(self) -> int:
        """What all models in memory take."""
        return sum(model.bytes for model in self._models.values() if model.is_resident)

    def release(self, model: ServedModel) -> None:
        """Lets a model leave that one request more has kept, as far as that one is concerned."""
        model.holders -= 1
        self.touch(model)
        if not model.holders:
            self._change.set()

    def touch(self, model: ServedModel) -> None:
        """Notes that a model was of use now."""
        model.last_use = next(self._uses)

    async def reserve(self, name: str, needed: int) -> None:
        """Makes room for a model, waiting for others to be free; `settle` ends the reservation.

        Args:
            name: of the model, whose present version counts as gone.
            needed: its bytes.

        Raises:
            NoRoomError: there is none for it beside those that may not leave, or that somebody uses all the time.
        """
        try:
            async with asyncio.timeout(self._patience_s):
                while self.limit and not self._has_made_room(name, needed):
                    self._change.clear()
                    await self._change.wait()
        except TimeoutError:
            raise NoRoomError(name, needed=needed, left=self.limit - self.bytes) from None
        self._reserved += needed

    @contextmanager
    def settled(self, needed: int) -> Generator[None]:
        """Ends a reservation with the block: the model is in memory by then, or will not be."""
        try:
            yield
        finally:
            self._reserved -= needed
            self._change.set()

    def _has_made_room(self, name: str, needed: int) -> bool:
        others = [one for one in self._models.values() if one.is_resident and one.name != name]
        staying = sum(one.bytes for one in others if not self._may_leave(one))
        if staying + needed > self.limit and not self._is_pinned(name):
            raise NoRoomError(name, needed=needed, left=self.limit - staying)
        excess = sum(one.bytes for one in others) + self._reserved + needed - self.limit
        idle = sorted((one for one in others if self._may_leave(one) and not one.holders), key=lambda one: one.last_use)
        if sum(one.bytes for one in idle) < excess and not self._is_pinned(name):
            return False
        for one in idle:
            if excess <= 0:
                break
            one.put_away()
            excess -= one.bytes
            self.evictions += 1
            self._on_eviction(one.name)
        return True

    def _may_leave(self, model: ServedModel) -> bool:
        return model.kept is not None and not self._is_pinned(model.name)
