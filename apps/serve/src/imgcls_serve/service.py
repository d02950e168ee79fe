"""The service behind the routes: models, engine and state; knows nothing of HTTP."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from pathlib import Path

from imgcls_core import DecodeLimits
from imgcls_core.cpus import allotted_cpus
from imgcls_core.errors import ArtifactError
from imgcls_core.images.decode import ImageSource
from imgcls_core.inference.providers import GpuPresence, find_gpu

from imgcls_serve.engine.engine import Engine
from imgcls_serve.engine.job import Answer, Stage
from imgcls_serve.engine.layout import choose_layout
from imgcls_serve.errors import DeadlineExceededError, ModelRefusedError, NotReadyError, UrlRefusedError
from imgcls_serve.idle_memory import give_back_when_idle
from imgcls_serve.memory import give_memory_back
from imgcls_serve.metrics import Metrics
from imgcls_serve.registry import ModelRegistry
from imgcls_serve.request_context import Deadline
from imgcls_serve.security import Gatekeeper
from imgcls_serve.served_model import ServedModel
from imgcls_serve.settings import Settings
from imgcls_serve.tracing import tracer_from_environment
from imgcls_serve.url_fetch import UrlFetcher

logger = logging.getLogger(__name__)

# Requests make few cycles; the default of 700 walks the youngest generation several times a second for nothing.
_GC_THRESHOLD = 20_000


class Service:
    """What one process serves.

    Attributes:
        settings: as read at start.
        registry: the models.
        metrics: what Prometheus reads.
        gatekeeper: who may do what.
        tracer: records requests where a collector is named.
        requests_in_flight: kept by the middleware; the end of the process waits for them.
        bytes_held: of the bodies of all requests; kept by their contexts.
        gpu: what the NVIDIA driver says; None until it was asked.
        fatal: why the process should end, once it should: the artifact given at start cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics(self)
        self.gatekeeper = Gatekeeper(
            api_keys=settings.api_key_list,
            admin_token=settings.admin_token.get_secret_value() if settings.admin_token is not None else None,
        )
        self.registry = ModelRegistry(
            model=settings.model, folder=settings.models_dir, default=settings.default_model, load=self._load
        )
        self.tracer = tracer_from_environment()
        self.requests_in_flight = 0
        self.bytes_held = 0
        self.gpu: GpuPresence | None = None
        self.fatal: ArtifactError | None = None
        self._urls = UrlFetcher(max_bytes=settings.max_image_bytes) if settings.allow_urls else None
        self._engine: Engine | None = None
        self._reason: str | None = "The model is being loaded."
        self._is_draining = False
        self._started_s = time.monotonic()
        self._starting: asyncio.Task[None] | None = None
        self._housekeeping: asyncio.Task[None] | None = None
        self._submitted = 0

    @property
    def uptime_s(self) -> float:
        """Seconds since the service was made."""
        return time.monotonic() - self._started_s

    @property
    def pending(self) -> int:
        """Images accepted and unanswered."""
        return self._engine.pending if self._engine is not None else 0

    def count(self, stage: Stage) -> int:
        """Images accepted and unanswered that are at this stage."""
        return self._engine.count(stage) if self._engine is not None else 0

    @property
    def not_ready_reason(self) -> str | None:
        """Why the service takes nothing, as one sentence; None when it is ready."""
        if self._is_draining:
            return "The service is shutting down: it finishes what it accepted and takes nothing new."
        return self._reason

    def start(self) -> None:
        """Begins to load in the background; the service answers `/health` meanwhile."""
        self._starting = asyncio.create_task(self._load_at_start())
        self._starting.add_done_callback(self._start_ended)
        self._housekeeping = asyncio.create_task(
            give_back_when_idle(lambda: self._submitted, lambda: self.pending, give_memory_back)
        )

    async def stop(self) -> None:
        """Ends the threads; whatever still waits is cancelled."""
        for task in (self._starting, self._housekeeping):
            if task is not None:
                task.cancel()
        if self._urls is not None:
            self._urls.close()
        if self._engine is not None:
            await self._engine.stop()
        if self.tracer is not None:
            await asyncio.to_thread(self.tracer.close)

    @property
    def is_draining(self) -> bool:
        """Whether the service finishes what it accepted and takes nothing new."""
        return self._is_draining

    def drain(self) -> None:
        """Takes nothing new from now on. May be called from a signal handler."""
        self._is_draining = True

    def model(self, name: str | None, *, is_check: bool = False) -> ServedModel:
        """Gives the model of this name, the default one for None.

        Args:
            name: what requests call it.
            is_check: whether its answers are no traffic and must not count as such.

        Raises:
            NotReadyError: the service takes nothing.
            UnknownModelError: no such model.
        """
        self._check_ready()
        model = self.registry.get(name)
        return model.uncounted if is_check else model

    def check_admission(self, deadline: Deadline, images: int = 1) -> None:
        """Passes when so many images would be accepted now and are likely to be answered in time.

        Raises:
            NotReadyError: the service takes nothing.
            QueueFullError: too many wait.
        """
        self._check_ready()
        if self._engine is not None:
            self._engine.check_admission(images, deadline_s=deadline.at_s)

    def submit(
        self, model: ServedModel, source: ImageSource, *, deadline_s: float, timeout_ms: int
    ) -> asyncio.Future[Answer]:
        """Hands one image to the engine; see `Engine.submit`."""
        if self._engine is None:
            raise NotReadyError(self.not_ready_reason or "The engine is not running.")
        self._submitted += 1
        return self._engine.submit(model, source, deadline_s=deadline_s, timeout_ms=timeout_ms)

    async def fetch(self, url: str, *, deadline: Deadline) -> bytes:
        """Fetches an image from a URL; see `UrlFetcher.fetch`.

        Raises:
            UrlRefusedError: also where URLs are not allowed at all.
        """
        if self._urls is None:
            raise UrlRefusedError("this service fetches no URLs (`IMGCLS_ALLOW_URLS`)")
        left_s = deadline.at_s - asyncio.get_running_loop().time()
        if left_s <= 0:
            raise DeadlineExceededError(deadline.timeout_ms)
        return await self._urls.fetch(url, timeout_s=min(left_s, self.settings.url_timeout_ms / 1000))

    async def load_model(self, name: str) -> ServedModel:
        """Loads a model, or loads it again from its file; see `ModelRegistry.load`."""
        model = await self.registry.load(name)
        logger.info("Loaded model %r (sha256 %s) on provider %r", name, model.sha256[:12], model.provider)
        if self._engine is None:
            self._become_ready()
        return model

    def _check_ready(self) -> None:
        if (reason := self.not_ready_reason) is not None:
            raise NotReadyError(reason)

    async def _load_at_start(self) -> None:
        self.gpu = await asyncio.to_thread(find_gpu)
        names = await asyncio.to_thread(self.registry.files)
        wanted = self.registry.default_name or next(iter(names))
        for name in sorted(names, key=lambda one: one != wanted):
            try:
                await self.load_model(name)
            except ModelRefusedError as error:
                if name == wanted:
                    self._refuse_to_start(error)
                    return
                logger.error("%s", error)  # noqa: TRY400 - the sentence says it all

    def _start_ended(self, starting: asyncio.Task[None]) -> None:
        if not starting.cancelled() and (error := starting.exception()) is not None:
            logger.critical("The start failed", exc_info=error)
            self._reason = "The start failed; the log says why."

    def _refuse_to_start(self, error: ModelRefusedError) -> None:
        # Without a usable provider or with wrong golden answers the process stays up and says so in `/ready`.
        self._reason = str(error.cause)
        logger.error("The model cannot be served: %s", error.cause)
        if isinstance(error.cause, ArtifactError):
            self._reason = str(error)
            self.fatal = error.cause

    def _become_ready(self) -> None:
        model = self.registry.default
        if model is None:
            return
        self._engine = self._start_engine(model)
        self._reason = None
        # What start-up made lives as long as the process: the collector need not walk it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GC_THRESHOLD)
        logger.info(
            "Ready: model %r (sha256 %s) on provider %r (%s), layout %r, at most %d images in a batch",
            model.name,
            model.sha256[:12],
            model.provider,
            model.provider_reason,
            self._engine.layout.name,
            self._engine.layout.max_batch,
        )

    def _load(self, name: str, file: Path) -> ServedModel:
        settings = self.settings
        return ServedModel(
            file,
            name=name,
            provider=settings.provider,
            threads=self._cpus if settings.thread_layout == "wide" else 1,
            limits=DecodeLimits(max_bytes=settings.max_image_bytes, max_pixels=settings.max_image_pixels),
            window_s=settings.drift_window_s,
        )

    @property
    def _cpus(self) -> int:
        return self.settings.threads or allotted_cpus()

    def _start_engine(self, model: ServedModel) -> Engine:
        settings = self.settings
        layout = choose_layout(
            settings.thread_layout,
            provider=model.provider,
            cpus=self._cpus,
            max_batch=settings.max_batch,
            max_wait_ms=settings.max_wait_ms,
        )
        engine = Engine(layout, queue_size=settings.queue_size, observer=self.metrics, on_death=self._engine_died)
        engine.start()
        return engine

    def _engine_died(self, error: BaseException) -> None:
        logger.critical("A worker of the engine died", exc_info=error)
        self._reason = "A worker of the inference engine has died; restart the service."
