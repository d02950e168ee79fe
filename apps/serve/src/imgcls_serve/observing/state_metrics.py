"""What is read from the service at each scrape instead of being kept twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from imgcls_serve.observing.drift_metrics import CountedModel, drift_metrics
from imgcls_serve.observing.gpu import gpu_readings


@dataclass(frozen=True)
class ObservedModel(CountedModel):
    """A loaded model as its metrics show it."""

    sha256: str
    provider: str
    precision: str
    is_default: bool
    bytes: int


@dataclass(frozen=True)
class ServiceState:
    """The service at one moment.

    Args:
        is_ready: whether images are answered.
        is_full: whether `/ready` says that much waits.
        queue_size: most images waiting.
        pending_images: accepted and unanswered, by stage.
        requests_in_flight: being answered.
        bytes_held: of the bodies of all requests.
        models: those in memory by name.
        model_loads: how often one came into memory.
        model_evictions: how often one left it for another.
        models_limit_bytes: of all in memory; 0 for none.
        has_gpu: whether there is one to read.
        workers: processes that answer images; None of a service of one process.
        worker_deaths: how many have ended before the service did.
    """

    is_ready: bool
    is_full: bool
    queue_size: int
    pending_images: Mapping[str, int]
    requests_in_flight: int
    bytes_held: int
    models: Mapping[str, ObservedModel]
    model_loads: int
    model_evictions: int
    models_limit_bytes: int
    has_gpu: bool
    workers: int | None = None
    worker_deaths: int = 0


class StateCollector(Collector):
    """Shows the service's state.

    Args:
        state: at the scrape.
    """

    def __init__(self, state: ServiceState) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """Gives the metrics of this moment."""
        state = self._state
        if state.workers is not None:
            yield GaugeMetricFamily("imgcls_workers", "Processes that answer images.", state.workers)
            yield CounterMetricFamily(
                "imgcls_worker_deaths", "Workers that have ended before the service did.", state.worker_deaths
            )
        yield GaugeMetricFamily("imgcls_ready", "Whether images are answered.", float(state.is_ready))
        yield GaugeMetricFamily("imgcls_full", "Whether /ready says that much waits.", float(state.is_full))
        yield GaugeMetricFamily("imgcls_queue_limit_images", "Most images waiting.", state.queue_size)
        images = GaugeMetricFamily("imgcls_pending_images", "Images accepted and unanswered.", labels=("stage",))
        for stage, count in state.pending_images.items():
            images.add_metric((stage,), count)
        yield images
        yield GaugeMetricFamily("imgcls_in_flight_requests", "Requests being answered.", state.requests_in_flight)
        yield GaugeMetricFamily("imgcls_held_bytes", "Bytes of the bodies of all requests.", state.bytes_held)
        info = InfoMetricFamily("imgcls_model", "The models in memory.", labels=("name",))
        held = GaugeMetricFamily("imgcls_model_bytes", "What a model in memory takes.", labels=("model",))
        for name, model in state.models.items():
            about = {
                "sha256": model.sha256,
                "provider": model.provider,
                "precision": model.precision,
                "default": str(model.is_default).lower(),
            }
            info.add_metric((name,), about)
            held.add_metric((name,), model.bytes)
        yield from (info, held)
        yield GaugeMetricFamily("imgcls_models_limit_bytes", "Most for all models, 0 any.", state.models_limit_bytes)
        yield CounterMetricFamily("imgcls_model_loads", "Models that came into memory.", state.model_loads)
        yield CounterMetricFamily("imgcls_model_evictions", "Models that left for another.", state.model_evictions)
        yield from drift_metrics(state.models)
        if state.has_gpu:
            yield from _gpu_metrics()


def _gpu_metrics() -> Iterator[Metric]:
    utilisation = GaugeMetricFamily("imgcls_gpu_utilisation_ratio", "Share of time in kernels.", labels=("gpu",))
    used = GaugeMetricFamily("imgcls_gpu_memory_used_bytes", "Memory in use on the GPU.", labels=("gpu",))
    total = GaugeMetricFamily("imgcls_gpu_memory_total_bytes", "Memory of the GPU.", labels=("gpu",))
    for reading in gpu_readings():
        label = (str(reading.index),)
        utilisation.add_metric(label, reading.utilisation)
        used.add_metric(label, reading.memory_used_bytes)
        total.add_metric(label, reading.memory_total_bytes)
    yield from (utilisation, used, total)
