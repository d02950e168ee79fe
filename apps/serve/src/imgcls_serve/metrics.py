"""What Prometheus reads; the only module that imports its client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from imgcls_serve.drift_metrics import drift_metrics
from imgcls_serve.engine.job import Answer, Stage
from imgcls_serve.gpu import gpu_readings

if TYPE_CHECKING:
    from imgcls_serve.service import Service

_SECONDS: Final = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 4, 8, 16)
_IMAGES: Final = (1, 2, 4, 8, 16, 32, 64, 128)
_CONFIDENCE: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1)


class Metrics:
    """Counts and measures; is the engine's observer.

    Args:
        service: is asked for its present state at each scrape.
    """

    def __init__(self, service: Service) -> None:
        ours = self._registry = CollectorRegistry()
        self._requests = Counter(
            "imgcls_requests",
            "Requests by route, status and problem code.",
            ("route", "status", "code"),
            registry=ours,
        )
        self._request_s = Histogram(
            "imgcls_request_seconds",
            "From a request's headers to its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=ours,
        )
        stages = Histogram(
            "imgcls_stage_seconds",
            "Time of an answered image in each stage.",
            ("stage",),
            buckets=_SECONDS,
            registry=ours,
        )
        self._decode_s, self._queue_s = stages.labels("decode"), stages.labels("queue")
        self._inference_s = stages.labels("inference")
        self._batch = Histogram("imgcls_batch_images", "Images in one inference.", buckets=_IMAGES, registry=ours)
        self._dropped = Counter(
            "imgcls_dropped_images", "Images dropped before their inference, by reason.", ("reason",), registry=ours
        )
        for reason in ("deadline", "caller_gone"):
            self._dropped.labels(reason)
        self._classes = Counter(
            "imgcls_predictions", "Answers by most probable class.", ("model", "class_id", "label"), registry=ours
        )
        self._confidence = Histogram(
            "imgcls_confidence",
            "Probability of the most probable class.",
            ("model",),
            buckets=_CONFIDENCE,
            registry=ours,
        )
        ours.register(_State(service))
        ProcessCollector(registry=ours)
        PlatformCollector(registry=ours)
        self._by_route: dict[str, Histogram] = {}

    def request_answered(self, route: str, status: int, code: str | None, seconds: float) -> None:
        """Counts a request; `status` is 0 when its caller had gone."""
        self._requests.labels(route, str(status), code or "").inc()
        if (histogram := self._by_route.get(route)) is None:
            histogram = self._by_route[route] = self._request_s.labels(route)
        histogram.observe(seconds)

    def image_answered(self, model: str, class_id: int, label: str, probability: float, answer: Answer) -> None:
        """Counts the answer for one image."""
        self._decode_s.observe(answer.decode_ms / 1000)
        self._queue_s.observe(answer.queue_ms / 1000)
        self._inference_s.observe(answer.inference_ms / 1000)
        self._classes.labels(model, str(class_id), label).inc()
        self._confidence.labels(model).observe(probability)

    def batch_ran(self, *, images: int, inference_s: float) -> None:
        """Counts an inference."""
        del inference_s
        self._batch.observe(images)

    def job_dropped(self, reason: str) -> None:
        """Counts an image that was dropped before its inference."""
        self._dropped.labels(reason).inc()

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Gives the text that Prometheus reads and its media type, in the format that `accept` asks for."""
        encoder, media_type = choose_encoder(accept)
        return encoder(self._registry), media_type


class _State(Collector):
    """What is read from the service at each scrape instead of being kept twice."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        service = self._service
        yield GaugeMetricFamily("imgcls_ready", "Whether images are answered.", float(service.not_ready_reason is None))
        yield GaugeMetricFamily("imgcls_queue_limit_images", "Most images waiting.", service.settings.queue_size)
        images = GaugeMetricFamily("imgcls_pending_images", "Images accepted and unanswered.", labels=("stage",))
        for stage in Stage:
            images.add_metric((stage.value,), service.count(stage))
        yield images
        yield GaugeMetricFamily("imgcls_in_flight_requests", "Requests being answered.", service.requests_in_flight)
        yield GaugeMetricFamily("imgcls_held_bytes", "Bytes of the bodies of all requests.", service.bytes_held)
        info = InfoMetricFamily("imgcls_model", "The loaded models.", labels=("name",))
        for name, model in service.registry.loaded.items():
            about = {
                "sha256": model.sha256,
                "provider": model.provider,
                "precision": model.metadata.source.precision,
                "default": str(name == service.registry.default_name).lower(),
            }
            info.add_metric((name,), about)
        yield info
        yield from drift_metrics(service.registry.loaded)
        if service.gpu is not None and service.gpu.present:
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
