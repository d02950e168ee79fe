"""The service behind the routes: models, engine and state; knows nothing of HTTP."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from pathlib import Path

from imgcls_core import DecodeLimits, ImgclsError
from imgcls_core.cpus import allotted_cpus
from imgcls_core.errors import ArtifactError
from imgcls_core.image_decode import ImageSource
from imgcls_core.providers import GpuPresence, find_gpu

from imgcls_serve.engine.engine import Engine
from imgcls_serve.engine.job import Answer
from imgcls_serve.engine.layout import choose_layout
from imgcls_serve.errors import NotReadyError, UnknownModelError
from imgcls_serve.served_model import ServedModel
from imgcls_serve.settings import Settings

logger = logging.getLogger(__name__)


class Service:
    """What one process serves.

    Attributes:
        settings: as read at start.
        gpu: what the NVIDIA driver says; None until it was asked.
        fatal: why the process should end, once it should: the artifact given at start cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.gpu: GpuPresence | None = None
        self.fatal: ArtifactError | None = None
        self._models: dict[str, ServedModel] = {}
        self._default: str | None = None
        self._engine: Engine | None = None
        self._reason: str | None = "The model is being loaded."
        self._is_draining = False
        self._started_s = time.monotonic()
        self._starting: asyncio.Task[None] | None = None

    @property
    def uptime_s(self) -> float:
        """Seconds since the service was made."""
        return time.monotonic() - self._started_s

    @property
    def default_model(self) -> ServedModel | None:
        """The model for requests that name none; None before it is loaded."""
        return self._models.get(self._default) if self._default is not None else None

    @property
    def pending(self) -> int:
        """Images accepted and unanswered."""
        return self._engine.pending if self._engine is not None else 0

    @property
    def not_ready_reason(self) -> str | None:
        """Why the service takes nothing, as one sentence; None when it is ready."""
        if self._is_draining:
            return "The service is shutting down: it finishes what it accepted and takes nothing new."
        return self._reason

    def start(self) -> None:
        """Begins to load in the background; the service answers `/health` meanwhile."""
        self._starting = asyncio.create_task(self._load_at_start())

    async def stop(self) -> None:
        """Ends the threads; whatever still waits is cancelled."""
        if self._starting is not None:
            self._starting.cancel()
        if self._engine is not None:
            await asyncio.to_thread(self._engine.stop)

    def drain(self) -> None:
        """Takes nothing new from now on. May be called from a signal handler."""
        self._is_draining = True

    def model(self, name: str | None) -> ServedModel:
        """Gives the model of this name, the default one for None.

        Raises:
            NotReadyError: the service takes nothing.
            UnknownModelError: no such model.
        """
        if (reason := self.not_ready_reason) is not None:
            raise NotReadyError(reason)
        key = self._default if name is None else name
        if key is None or key not in self._models:
            raise UnknownModelError(str(key), known=self._models)
        return self._models[key]

    def check_admission(self, images: int = 1) -> None:
        """Passes when so many images would be accepted now.

        Raises:
            NotReadyError: the service takes nothing.
            QueueFullError: too many wait.
        """
        if (reason := self.not_ready_reason) is not None:
            raise NotReadyError(reason)
        if self._engine is not None:
            self._engine.check_admission(images)

    def submit(
        self, model: ServedModel, source: ImageSource, *, deadline_s: float, timeout_ms: int
    ) -> asyncio.Future[Answer]:
        """Hands one image to the engine; see `Engine.submit`."""
        if self._engine is None:
            raise NotReadyError(self.not_ready_reason or "The engine is not running.")
        return self._engine.submit(model, source, deadline_s=deadline_s, timeout_ms=timeout_ms)

    async def _load_at_start(self) -> None:
        path = self.settings.model
        if path is None:
            self._reason = "No model is configured; start with `--model FILE`."
            return
        self.gpu = await asyncio.to_thread(find_gpu)
        try:
            model = await asyncio.to_thread(self._load, path)
        except ArtifactError as error:
            self.fatal = error
            self._reason = "The artifact given at start cannot be used; the service ends."
            return
        except ImgclsError as error:
            # Without a usable provider or with wrong golden answers the process stays up and says so in `/ready`.
            logger.error("The model cannot be served: %s", error)  # noqa: TRY400 - the sentence says it all
            self._reason = str(error)
            return
        self._models[model.name] = model
        self._default = model.name
        self._engine = self._start_engine(model)
        self._reason = None
        # What start-up made lives as long as the process: the collector need not walk it again.
        gc.freeze()
        logger.info(
            "Ready: model %r (sha256 %s) on provider %r (%s)",
            model.name,
            model.sha256[:12],
            model.provider,
            model.provider_reason,
        )

    def _load(self, file: Path) -> ServedModel:
        settings = self.settings
        cpus = settings.threads or allotted_cpus()
        return ServedModel(
            file,
            name=file.stem,
            provider=settings.provider,
            threads=cpus if settings.thread_layout == "wide" else 1,
            limits=DecodeLimits(max_bytes=settings.max_image_bytes, max_pixels=settings.max_image_pixels),
        )

    def _start_engine(self, model: ServedModel) -> Engine:
        settings = self.settings
        layout = choose_layout(
            settings.thread_layout,
            provider=model.provider,
            cpus=settings.threads or allotted_cpus(),
            max_batch=settings.max_batch,
            max_wait_ms=settings.max_wait_ms,
        )
        engine = Engine(layout, queue_size=settings.queue_size, on_death=self._engine_died)
        engine.start()
        return engine

    def _engine_died(self, error: BaseException) -> None:
        logger.critical("A worker of the engine died", exc_info=error)
        self._reason = "A worker of the inference engine has died; restart the service."
