"""The models of one process: where their files are, which are loaded, which is the default."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from imgcls_core import ImgclsError
from imgcls_core.memory import give_memory_back

from imgcls_serve.errors import InvalidParameterError, ModelRefusedError, UnknownModelError
from imgcls_serve.models.loading import LoadAbandonedError, LoadLimits, on_thread_of_its_own, try_apart
from imgcls_serve.models.model_files import check_published, find_artifacts
from imgcls_serve.models.served_model import ServedModel

logger = logging.getLogger(__name__)


class ModelRegistry:
    """Loads, replaces and gives models; a model is called by its file's name without `.onnx`, or as in its store.

    A new model is loaded, warmed and checked beside the old one and only then takes its place. Whoever holds the
    old one finishes with it; it is freed with its last image.

    Args:
        model: one artifact, or None.
        folder: a folder of artifacts, or a model store, or None; looked through again at each load.
        default: which model answers requests that name none; None takes `model`, else the first by name.
        load: makes a model from a name and a file; runs on a thread.
        provider: where models run: as `OnnxClassifier` takes it.
        limits: what a load may take.
    """

    def __init__(
        self,
        *,
        model: Path | None,
        folder: Path | None,
        default: str | None,
        load: Callable[[str, Path], ServedModel],
        provider: str,
        limits: LoadLimits,
    ) -> None:
        self._model = model
        self._folder = folder
        self._load = load
        self._provider = provider
        self._limits = limits
        self._loaded: dict[str, ServedModel] = {}
        self._default = default or (model.stem if model is not None else None)
        self._lock = asyncio.Lock()

    @property
    def loaded(self) -> Mapping[str, ServedModel]:
        """The loaded models by name."""
        return self._loaded

    @property
    def default_name(self) -> str | None:
        """Which model answers requests that name none; None while nothing is loaded."""
        return self._default

    @property
    def default(self) -> ServedModel | None:
        """The model for requests that name none; None before it is loaded."""
        return self._loaded.get(self._default) if self._default is not None else None

    def files(self) -> dict[str, Path]:
        """Gives the artifacts that can be loaded now, by name."""
        files = find_artifacts(self._folder) if self._folder else {}
        if self._model is not None:
            files[self._model.stem] = self._model
        return files

    def get(self, name: str | None) -> ServedModel:
        """Gives a loaded model, the default one for None.

        Raises:
            UnknownModelError: it is not loaded.
        """
        key = self._default if name is None else name
        if key is None or key not in self._loaded:
            raise UnknownModelError(str(key), known=self._loaded)
        return self._loaded[key]

    async def load(self, name: str) -> ServedModel:
        """Loads a model, or loads it again from its file.

        Raises:
            UnknownModelError: there is no file of that name.
            ModelRefusedError: the file cannot be served; nothing has changed.
        """
        async with self._lock:
            file = self._folder or Path()
            try:
                files = await self.find_files()
                if (found := files.get(name)) is None:
                    raise UnknownModelError(name, known=files)
                file = found
                model = await self._load_checked(name, file)
            except ImgclsError as error:
                raise ModelRefusedError(name, error, file) from error
            except OSError as error:
                reason = error.strerror or str(error)
                raise ModelRefusedError(name, LoadAbandonedError(file, reason), file) from error
            self._loaded[name] = model
            await asyncio.to_thread(give_memory_back)
            if self._default is None:
                self._default = name
            return model

    async def find_files(self) -> dict[str, Path]:
        """Gives `files`, unless that takes too long.

        Raises:
            LoadAbandonedError: it does, as on a network mount that is dead.
        """
        return await on_thread_of_its_own(
            self.files, self._folder or self._model or Path(), timeout_s=self._limits.timeout_s
        )

    async def _load_checked(self, name: str, file: Path) -> ServedModel:
        limits, most_bytes = self._limits, None
        if self._loaded:
            # Others are being answered, whom it must not take down. What has passed has as much time again.
            work = partial(try_apart, file, provider=self._provider, limits=limits)
            await on_thread_of_its_own(work, file, timeout_s=2 * limits.timeout_s)
        else:  # nobody is: the process itself is given up
            work = partial(limits.bytes_for, file)
            most_bytes = await on_thread_of_its_own(work, file, timeout_s=limits.timeout_s)
        load = partial(self._load, name, file)
        model = await on_thread_of_its_own(load, file, timeout_s=limits.timeout_s, most_bytes=most_bytes)
        check_published(file, model.sha256)
        return model

    def unload(self, name: str) -> None:
        """Forgets a model; what it was given it finishes.

        Raises:
            UnknownModelError: it is not loaded.
            InvalidParameterError: it is the default one.
        """
        if name not in self._loaded:
            raise UnknownModelError(name, known=self._loaded)
        if name == self._default:
            raise InvalidParameterError(f"Model {name!r} is the default one; make another the default first.")
        del self._loaded[name]

    def set_default(self, name: str) -> None:
        """Lets this model answer requests that name none.

        Raises:
            UnknownModelError: it is not loaded.
        """
        if name not in self._loaded:
            raise UnknownModelError(name, known=self._loaded)
        self._default = name
