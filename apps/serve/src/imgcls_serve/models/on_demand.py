"""Models that are loaded when they are asked for, once for all who ask, and stay while somebody uses them."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from imgcls_core import ImgclsError

from imgcls_serve.errors import ModelLoadingError, ModelRefusedError, UnknownModelError
from imgcls_serve.models.loading import on_thread_of_its_own
from imgcls_serve.models.registry import ModelRegistry
from imgcls_serve.models.residency import NoRoomError
from imgcls_serve.models.served_model import ServedModel

logger = logging.getLogger(__name__)

# A name that nobody knows makes the folder be looked through, and a refused file be looked at: no more often.
_LOOK_S: Final = 1.0
# A file that took too long may be quicker when the machine has less to do.
_REFUSED_S: Final = 60.0

_Stamp = tuple[str, int, int]


class OnDemandModels:
    """Gives the models of a registry to requests.

    Args:
        registry: of the models.
        load: loads one from its file.
        is_on: whether one that is not in memory is loaded; else it is unknown.
    """

    def __init__(self, registry: ModelRegistry, load: Callable[[str], Awaitable[ServedModel]], *, is_on: bool) -> None:
        self._registry = registry
        self._load = load
        self._is_on = is_on
        self._coming: dict[str, asyncio.Task[None]] = {}
        self._stamps: dict[str, _Stamp] = {}
        self._looked_s = -math.inf
        self._refusals: dict[str, tuple[_Stamp | None, float, ModelRefusedError]] = {}

    async def hold(self, name: str | None, *, until_s: float) -> ServedModel:
        """Gives a model, the default one for None, that stays in memory until `release`.

        Args:
            name: of the model.
            until_s: how long to wait for it, on the loop's clock.

        Raises:
            UnknownModelError: there is none of that name.
            ModelLoadingError: it is not in memory in time; it may be soon.
            ModelRefusedError: its file cannot be served, or it takes more memory than there is.
        """
        known = self._registry.known
        key = name if name is not None else self._registry.default_name or ""
        while (model := known.get(key)) is None or not model.is_resident:
            if not self._is_on:
                return self._registry.get(name)  # which says what is known
            await self._wait_for(key, until_s)
        model.holders += 1
        return model

    def release(self, model: ServedModel) -> None:
        """Ends a `hold`."""
        self._registry.residency.release(model)

    def is_coming(self, name: str) -> bool:
        """Whether a model is being loaded because somebody asked for it."""
        return name in self._coming

    async def _wait_for(self, name: str, until_s: float) -> None:
        if (coming := self._coming.get(name)) is None:
            coming = self._coming[name] = asyncio.create_task(self._bring(name))
            coming.add_done_callback(lambda task: self._came(name, task))
        left_s = until_s - asyncio.get_running_loop().time()
        if not (await asyncio.wait([coming], timeout=max(0.0, left_s)))[0]:
            raise ModelLoadingError(name, retry_after_s=max(1, math.ceil(self._registry.load_s)))
        coming.result()

    def _came(self, name: str, task: asyncio.Task[None]) -> None:
        del self._coming[name]
        if not task.cancelled():
            task.exception()  # which nobody may be waiting for any more

    async def _bring(self, name: str) -> None:
        registry = self._registry
        if (model := registry.known.get(name)) is not None:
            try:
                await registry.bring_back(model)
            except NoRoomError as error:
                raise ModelRefusedError(name, error, model.path) from error
            except (ImgclsError, OSError) as error:
                logger.warning("Model %r is loaded from its file again: %s", name, error)
            else:
                return
        elif (stamp := await self._stamp(name)) is None or name in registry.unloaded:
            raise UnknownModelError(name, known=registry.known)
        elif (refusal := self._refusals.get(name)) is not None:
            of, until_s, error = refusal
            if of == stamp and time.monotonic() < until_s:
                raise error
        try:
            await self._load(name)
        except ModelRefusedError as error:
            self._refusals[name] = (self._stamps.get(name), time.monotonic() + _REFUSED_S, error)
            raise
        self._refusals.pop(name, None)

    async def _stamp(self, name: str) -> _Stamp | None:
        """Says which file a model would be loaded from now."""
        if time.monotonic() - self._looked_s > _LOOK_S:
            self._stamps = await on_thread_of_its_own(self._look, Path(name), timeout_s=self._registry.limits.timeout_s)
            self._looked_s = time.monotonic()
        return self._stamps.get(name)

    def _look(self) -> dict[str, _Stamp]:
        return {name: _stamp_of(file) for name, file in self._registry.files().items()}


def _stamp_of(file: Path) -> _Stamp:
    try:
        found = file.stat()
    except OSError:  # as loading it will say
        return str(file), 0, 0
    return str(file), found.st_mtime_ns, found.st_size
