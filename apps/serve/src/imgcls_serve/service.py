"""The service behind the routes: models, scheduler and state; knows nothing of HTTP."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Hashable

from imgcls_core.errors import ArtifactError, RuntimeMissingError
from imgcls_core.inference.providers import GpuPresence, find_gpu
from imgcls_core.memory import give_memory_back

from imgcls_serve.errors import ModelRefusedError, NotReadyError, QueueFullError
from imgcls_serve.models.assembly import registry_of
from imgcls_serve.models.kept_graphs import KeptGraphs
from imgcls_serve.models.on_demand import OnDemandModels
from imgcls_serve.models.registry import ModelRegistry
from imgcls_serve.models.served_model import ServedModel
from imgcls_serve.observing.idle_memory import give_back_when_idle
from imgcls_serve.observing.metrics import Metrics
from imgcls_serve.observing.request_lines import RequestLines
from imgcls_serve.observing.state_metrics import ServiceState
from imgcls_serve.observing.tracing import tracer_from_environment
from imgcls_serve.scheduler.assembly import queue_bounds, scheduler_of
from imgcls_serve.scheduler.full_sign import FullSign
from imgcls_serve.scheduler.held_bytes import HeldBytes
from imgcls_serve.scheduler.job import Stage
from imgcls_serve.scheduler.scheduler import Scheduler
from imgcls_serve.settings import Settings
from imgcls_serve.workers.alone import Alone
from imgcls_serve.workers.rows import Figure
from imgcls_serve.workers.seat import Seat
from imgcls_serve.workers.together import Together, metrics_folder

logger = logging.getLogger(__name__)


class Service:
    """What one process serves.

    Attributes:
        settings: as read at start.
        registry: the models.
        on_demand: gives them to requests.
        metrics: what Prometheus reads.
        request_lines: what the log says of requests.
        tracer: records requests where a collector is named.
        requests_in_flight: kept by the middleware; the end of the process waits for them.
        bodies: of all requests.
        together: what it has in common with other workers, or `Alone`.
        is_broken: whether a thread of the scheduler has died.
        gpu: what the NVIDIA driver says; None until it was asked.
        fatal: why the process should end, once it should: what was given at start cannot be used.
    """

    def __init__(self, settings: Settings, seat: Seat | None = None) -> None:
        self.settings = settings
        self.metrics = Metrics(metrics_folder(seat.folder) if seat is not None else None)
        self.request_lines = RequestLines(for_people=settings.logs_for_people)
        self._graphs = KeptGraphs.of(settings.models_memory, settings.models_cache, settings.provider)
        self.registry = registry_of(settings, self._graphs, on_eviction=self.metrics.forget_model)
        self.together = (
            Together(seat, self.registry, timeout_s=settings.load_timeout_s, state=self.state, give_way=self._give_way)
            if seat is not None
            else Alone(self.registry, self.state)
        )
        self.on_demand = OnDemandModels(self.registry, self.load_model, is_on=settings.models_memory > 0)
        self.tracer = tracer_from_environment()
        self.requests_in_flight = 0
        self.bodies = HeldBytes(settings.max_inflight_bytes, self.together.count(Figure.HELD_BYTES))
        self.gpu: GpuPresence | None = None
        self.fatal: ArtifactError | RuntimeMissingError | None = None
        self.is_broken = False
        self._scheduler: Scheduler | None = None
        self._full_sign = FullSign(settings.full_at)
        self._reason: str | None = "The model is being loaded."
        self._is_draining = False
        self._started_s = seat.started_s if seat is not None else time.monotonic()
        self._starting: asyncio.Task[None] | None = None
        self._housekeeping: asyncio.Task[None] | None = None

    @property
    def uptime_s(self) -> float:
        """Seconds since the service was made."""
        return time.monotonic() - self._started_s

    @property
    def pending(self) -> int:
        """Images accepted and unanswered."""
        return self._scheduler.pending if self._scheduler is not None else 0

    @property
    def queue_size(self) -> int:
        """Most images that may be accepted and unanswered now."""
        scheduler = self._scheduler
        return scheduler.admission.queue_size if scheduler is not None else queue_bounds(self.settings).least

    @property
    def _waiting(self) -> int:
        return self._scheduler.admission.everywhere if self._scheduler is not None else 0

    def _give_way(self, key: Hashable) -> bool:
        is_done = self._scheduler is not None and self._scheduler.admission.give_way(key)
        if is_done:
            self.metrics.job_dropped("gave_way")
        return is_done

    @property
    def most_images(self) -> int:
        """Most images of one request."""
        return min(self.settings.max_images, self.settings.queue_size or self.settings.max_images)

    def state(self) -> ServiceState:
        """Gives what metrics show of this moment."""
        scheduler, registry = self._scheduler, self.registry
        return ServiceState(
            is_ready=self.not_ready_reason is None,
            is_full=self._full_sign.is_up(self._waiting, self.queue_size),
            queue_size=self.queue_size,
            pending_images={stage.value: scheduler.count(stage) if scheduler is not None else 0 for stage in Stage},
            requests_in_flight=self.requests_in_flight,
            bytes_held=self.bodies.total,
            models={
                name: model.observed(is_default=name == registry.default_name)
                for name, model in registry.loaded.items()
            },
            model_loads=registry.loads,
            model_evictions=registry.residency.evictions,
            models_limit_bytes=registry.residency.limit,
            has_gpu=self.gpu is not None and self.gpu.present,
        )

    @property
    def is_crowded(self) -> bool:
        """Whether `expect_image` is to be asked before an image is sent; cheap."""
        left_s = self.settings.request_timeout_ms / 1000
        return self._scheduler is not None and self._scheduler.admission.is_crowded(left_s)

    def expect_image(self, caller: Hashable) -> None:
        """Raises if an image of this caller, with the default deadline, finds no place; else expects it to come.

        Raises:
            QueueFullError: it finds none.
            NotReadyError: the service takes nothing.
        """
        left_s = self.settings.request_timeout_ms / 1000
        self.scheduler.admission.expect(caller, now_s=time.monotonic(), left_s=left_s)

    def check_takes_more(self) -> None:
        """Raises if a balancer should send images elsewhere: NotReadyError, or QueueFullError (`IMGCLS_FULL_AT`)."""
        self.check_ready()
        if self._full_sign.is_up(pending := self._waiting, size := self.queue_size):
            raise QueueFullError(f"{pending} of at most {size} images wait", retry_after_s=1)

    @property
    def not_ready_reason(self) -> str | None:
        """Why the service takes nothing, as one sentence; None when it is ready."""
        if self._is_draining:
            return "The service is shutting down: it finishes what it accepted and takes nothing new."
        return self._reason

    def start(self) -> None:
        """Begins to load in the background; the service answers `/health` meanwhile. Does nothing the second time."""
        if self._starting is not None:
            return
        self._starting = asyncio.create_task(self._load_at_start())
        self._starting.add_done_callback(self._start_ended)
        self._housekeeping = asyncio.create_task(
            give_back_when_idle(
                lambda: self._scheduler.submitted if self._scheduler is not None else 0,
                lambda: self.pending,
                give_memory_back,
            )
        )

    async def stop(self) -> None:
        """Ends the threads; whatever still waits is cancelled."""
        for task in (self._starting, self._housekeeping):
            if task is not None:
                task.cancel()
        self.together.leave()
        if self._scheduler is not None:
            await self._scheduler.stop()
        if self._graphs is not None:
            await asyncio.to_thread(self._graphs.close)
        if self.tracer is not None:
            await asyncio.to_thread(self.tracer.close)

    @property
    def is_draining(self) -> bool:
        """Whether the service finishes what it accepted and takes nothing new."""
        return self._is_draining

    def drain(self) -> None:
        """Takes nothing new from now on. May be called from a signal handler."""
        self._is_draining = True

    @property
    def scheduler(self) -> Scheduler:
        """What answers images.

        Raises:
            NotReadyError: the service takes nothing.
        """
        self.check_ready()
        if self._scheduler is None:
            raise NotReadyError("No model is loaded.")
        return self._scheduler

    async def load_model(self, name: str) -> ServedModel:
        """Loads a model, or loads it again from its file; see `ModelRegistry.load`."""
        return await self._load_model(name, self.together)

    async def _load_model(self, name: str, models: ModelRegistry | Together | Alone) -> ServedModel:
        model = await models.load(name)
        if self._scheduler is None:
            self._become_ready()
        return model

    def check_ready(self) -> None:
        """Raises if the service takes nothing, NotReadyError."""
        if (reason := self.not_ready_reason) is not None:
            raise NotReadyError(reason)

    async def _load_at_start(self) -> None:
        self.gpu = await asyncio.to_thread(find_gpu)
        try:
            names = await self.registry.find_files()
        except ArtifactError as error:
            self._reason, self.fatal = str(error), error
            return
        preferred = self.registry.default_name or next(iter(names))
        for name in sorted({preferred} if self.settings.models_memory else names, key=lambda one: one != preferred):
            try:
                await self._load_model(name, self.registry)
            except ModelRefusedError as error:
                if name == preferred:
                    self._refuse_to_start(error)
                    return
                logger.error("%s", error)  # noqa: TRY400 - the sentence says it all
        await self.together.join(is_ready=lambda: self._reason is None)

    def _start_ended(self, starting: asyncio.Task[None]) -> None:
        if not starting.cancelled() and (error := starting.exception()) is not None:
            logger.critical("The start failed", exc_info=error)
            self._reason = "The start failed; the log says why."

    def _refuse_to_start(self, error: ModelRefusedError) -> None:
        # Without a usable provider or with wrong golden answers the process stays up and says so in `/ready`.
        self._reason = str(error.cause)
        logger.error("The model cannot be served: %s", error.cause)
        if isinstance(error.cause, (ArtifactError, RuntimeMissingError)):
            self._reason = str(error)
            self.fatal = error.cause

    def _become_ready(self) -> None:
        model = self.registry.default
        if model is None:
            return
        self._scheduler = scheduler_of(
            self.settings,
            provider=model.provider,
            size=model.metadata.preprocessing.native_size,
            expected_s=model.s_per_image,
            observer=self.metrics,
            on_death=self._worker_died,
            elsewhere=self.together.waiting,
            pixels=self.together.count(Figure.PIXELS),
        )
        self._scheduler.start()
        self._reason = None
        # What start-up made lives as long as the process: the collector need not walk it again.
        gc.collect()
        gc.freeze()
        logger.info(
            "Ready: model %r (sha256 %s) on provider %r (%s), layout %r, at most %d images in a batch",
            model.name,
            model.sha256[:12],
            model.provider,
            model.provider_reason,
            self._scheduler.layout.name,
            self._scheduler.layout.max_batch,
        )

    def _worker_died(self, error: BaseException) -> None:
        logger.critical("A worker of the scheduler died", exc_info=error)
        self._reason = "A worker of the inference engine has died; restart the service."
        self.is_broken = True
