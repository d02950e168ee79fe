"""The models of one process: where their files are, which are loaded, which is the default."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from imgcls_core import ImgclsError
from imgcls_core.checksum import file_sha256
from imgcls_core.memory import give_memory_back

from imgcls_serve.errors import InvalidParameterError, ModelRefusedError, UnknownModelError
from imgcls_serve.models.kept_graphs import KeptGraph, KeptGraphs
from imgcls_serve.models.loading import LoadAbandonedError, LoadLimits, on_thread_of_its_own, try_apart
from imgcls_serve.models.model_files import check_published, find_artifacts
from imgcls_serve.models.residency import Residency
from imgcls_serve.models.served_model import ServedModel, bytes_when_read

logger = logging.getLogger(__name__)


class ModelRegistry:
    """Loads, replaces and gives models; a model is called by its file's name without `.onnx`, or as in its store.

    A new model is loaded, warmed and checked beside the old one and only then takes its place. Whoever holds the
    old one finishes with it; it is freed with its last image. Only `load` looks at a file: a model that has left the
    memory comes back (`bring_back`) as the version that it was.

    Args:
        model: one artifact, or None.
        folder: a folder of artifacts, or a model store, or None; looked through again at each load.
        default: which model answers requests that name none; None takes `model`, else the first by name.
        load: makes a model from a name, a file and, where one is kept, its graph; runs on a thread.
        provider: where models run: as `OnnxClassifier` takes it.
        limits: what a load may take.
        memory: bytes of all models in memory; 0 is any.
        graphs: where graphs are kept; None keeps none.
        on_eviction: is told the name of a model that has left the memory.

    Attributes:
        limits: as given.
        residency: which models are in memory.
        loads: how often one came into memory.
        load_s: how long that took the latest that was loaded from its file.
        unloaded: names that `unload` has made unknown.
    """

    def __init__(
        self,
        *,
        model: Path | None,
        folder: Path | None,
        default: str | None,
        load: Callable[[str, Path, KeptGraph | None], ServedModel],
        provider: str,
        limits: LoadLimits,
        memory: int,
        graphs: KeptGraphs | None,
        on_eviction: Callable[[str], None],
    ) -> None:
        self.limits = limits
        self.loads = 0
        self.load_s = 1.0
        self.unloaded: set[str] = set()
        self._model = model
        self._folder = folder
        self._load = load
        self._provider = provider
        self._graphs = graphs
        self._known: dict[str, ServedModel] = {}
        self._default = default or (model.stem if model is not None else None)
        self._lock = asyncio.Lock()
        self.residency = Residency(
            memory,
            self._known,
            is_pinned=lambda name: name == self._default,
            on_eviction=on_eviction,
            patience_s=limits.timeout_s,
        )

    @property
    def known(self) -> Mapping[str, ServedModel]:
        """The models that were loaded, by name; where memory is limited some of them are away."""
        return self._known

    @property
    def loaded(self) -> Mapping[str, ServedModel]:
        """The models in memory, by name."""
        return {name: model for name, model in self._known.items() if model.is_resident}

    @property
    def default_name(self) -> str | None:
        """Which model answers requests that name none; None while nothing is loaded."""
        return self._default

    @property
    def default(self) -> ServedModel | None:
        """The model for requests that name none; None before it is loaded."""
        return self._known.get(self._default) if self._default is not None else None

    def files(self) -> dict[str, Path]:
        """Gives the artifacts that can be loaded now, by name."""
        files = find_artifacts(self._folder) if self._folder else {}
        if self._model is not None:
            files[self._model.stem] = self._model
        return files

    def get(self, name: str | None) -> ServedModel:
        """Gives a model that was loaded, the default one for None; it may be away.

        Raises:
            UnknownModelError: it was not loaded.
        """
        key = self._default if name is None else name
        if key is None or key not in self._known:
            raise UnknownModelError(str(key), known=self._known)
        return self._known[key]

    async def load(self, name: str) -> ServedModel:
        """Loads a model, or loads it again from its file.

        Raises:
            UnknownModelError: there is no file of that name.
            ModelRefusedError: the file cannot be served; nothing has changed.
        """
        return await self._loaded_from_file(name, is_tried=False, is_taken=True)

    async def prepare(self, name: str, *, is_tried: bool = False) -> ServedModel:
        """Loads a model beside the one that answers; nothing changes before it is taken. Raises as `load`.

        Args:
            name: of the model.
            is_tried: whether its file was loaded elsewhere and need not be tried in a process first.
        """
        return await self._loaded_from_file(name, is_tried=is_tried, is_taken=False)

    async def _loaded_from_file(self, name: str, *, is_tried: bool, is_taken: bool) -> ServedModel:
        async with self._lock:
            file = self._folder or Path()
            began_s = time.monotonic()
            try:
                files = await self.find_files()
                if (found := files.get(name)) is None:
                    raise UnknownModelError(name, known=files)
                file = found
                model = await self._load_checked(name, file, is_tried=is_tried, is_taken=is_taken)
            except ImgclsError as error:
                raise ModelRefusedError(name, error, file) from error
            except OSError as error:
                reason = error.strerror or str(error)
                raise ModelRefusedError(name, LoadAbandonedError(file, reason), file) from error
            self.load_s = time.monotonic() - began_s
            await asyncio.to_thread(give_memory_back)
            return model

    async def bring_back(self, model: ServedModel) -> None:
        """Brings a model back into memory that has left it.

        Raises:
            ImgclsError: its kept graph has gone or was changed, or there is no room for it.
            OSError: its kept graph cannot be read.
        """
        await self.residency.reserve(model.name, model.bytes)
        with self.residency.settled(model.bytes):
            try:
                await on_thread_of_its_own(model.come_back, model.path, timeout_s=self.limits.timeout_s)
            except ImgclsError:
                if model.kept is not None:
                    model.kept.remove()
                raise
            self.residency.touch(model)
        self.loads += 1

    async def find_files(self) -> dict[str, Path]:
        """Gives `files`, unless that takes too long.

        Raises:
            LoadAbandonedError: it does, as on a network mount that is dead.
        """
        return await on_thread_of_its_own(
            self.files, self._folder or self._model or Path(), timeout_s=self.limits.timeout_s
        )

    async def _load_checked(self, name: str, file: Path, *, is_tried: bool, is_taken: bool) -> ServedModel:
        limits, most_bytes = self.limits, None
        kept = await self._kept_graph(file)
        if kept is None and not is_tried and (self._known or self._graphs is not None):
            # Others are being answered, whom it must not take down. What has passed has as much time again.
            keep = self._graphs.folder if self._graphs is not None else None
            work = partial(try_apart, file, provider=self._provider, limits=limits, keep=keep)
            await on_thread_of_its_own(work, file, timeout_s=2 * limits.timeout_s)
            kept = await self._kept_graph(file)
        elif kept is None:  # nobody is: the process itself is given up
            work = partial(limits.bytes_for, file)
            most_bytes = await on_thread_of_its_own(work, file, timeout_s=limits.timeout_s)
        needed = kept.bytes if kept is not None else bytes_when_read(file)
        await self.residency.reserve(name, needed)
        with self.residency.settled(needed):
            load = partial(self._load, name, file, kept)
            try:
                model = await on_thread_of_its_own(load, file, timeout_s=limits.timeout_s, most_bytes=most_bytes)
            except ImgclsError:
                if kept is not None:
                    kept.remove()  # whatever is wrong with it, the next load makes it anew
                raise
            check_published(file, model.sha256)
            if is_taken:
                self.take(model)
        return model

    async def _kept_graph(self, file: Path) -> KeptGraph | None:
        if (graphs := self._graphs) is None:
            return None
        return await on_thread_of_its_own(lambda: graphs.find(file_sha256(file)), file, timeout_s=self.limits.timeout_s)

    def take(self, model: ServedModel) -> None:
        """Lets a model answer to its name from now on."""
        former = self._known.get(model.name)
        self._known[model.name] = model
        self.residency.touch(model)
        self.unloaded.discard(model.name)
        self.loads += 1
        if self._default is None:
            self._default = model.name
        self._forget_graph(former)
        logger.info("Loaded model %r (sha256 %s) on provider %r", model.name, model.sha256[:12], model.provider)
        if terms := model.metadata.source.terms:
            logger.info("Terms of model %r: %s", model.name, terms)
        if self.residency.limit and model.kept is None:
            logger.warning("Model %r stays in memory: its graph cannot be kept", model.name)

    def _forget_graph(self, former: ServedModel | None) -> None:
        in_use = {one.sha256 for one in self._known.values()}
        if self._graphs is not None and former is not None and former.sha256 not in in_use:
            self._graphs.forget(former.sha256)

    def unload(self, name: str) -> None:
        """Forgets a model; what it was given it finishes.

        Raises:
            UnknownModelError: it is not loaded.
            InvalidParameterError: it is the default one.
        """
        model = self.get(name)
        if name == self._default:
            raise InvalidParameterError(f"Model {name!r} is the default one; make another the default first.")
        del self._known[name]
        self.unloaded.add(name)
        self._forget_graph(model)

    def set_default(self, name: str) -> None:
        """Lets this model, which is in memory, answer requests that name none.

        Raises:
            UnknownModelError: it is not loaded.
        """
        self._default = self.get(name).name
