"""What Prometheus reads."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, PlatformCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from imgcls_serve.observing.state_metrics import ServiceState, StateCollector
from imgcls_serve.scheduler.job import JobResult

_SECONDS: Final = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 4, 8, 16)
_IMAGES: Final = (1, 2, 4, 8, 16, 32, 64, 128)
_CONFIDENCE: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1)


class Metrics:
    """Counts and measures; is the scheduler's observer.

    Args:
        folder: where the counters of all workers are; None of a service of one process.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
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
        for reason in ("deadline", "caller_gone", "gave_way"):
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
        self._by_route: dict[str, Histogram] = {}

    def request_answered(self, route: str, status: int, code: str | None, seconds: float) -> None:
        """Counts a request; `status` is 0 when its caller had gone."""
        self._requests.labels(route, str(status), code or "").inc()
        if (histogram := self._by_route.get(route)) is None:
            histogram = self._by_route[route] = self._request_s.labels(route)
        histogram.observe(seconds)

    def image_answered(self, model: str, class_id: int, label: str, probability: float, result: JobResult) -> None:
        """Counts the answer for one image."""
        self._decode_s.observe(result.decode_ms / 1000)
        self._queue_s.observe(result.queue_ms / 1000)
        self._inference_s.observe(result.inference_ms / 1000)
        self._classes.labels(model, str(class_id), label).inc()
        self._confidence.labels(model).observe(probability)

    def batch_ran(self, images: int) -> None:
        """Counts an inference."""
        self._batch.observe(images)

    def job_dropped(self, reason: str) -> None:
        """Counts an image that was dropped before its inference."""
        self._dropped.labels(reason).inc()

    def forget_model(self, name: str) -> None:
        """Ends the series of a model that has left the memory, so that there are never more than it holds models."""
        for family in (self._classes, self._confidence):
            family.remove_by_labels({"model": name})

    def exposition(self, accept: str, state: ServiceState, process: Collector) -> tuple[bytes, str]:
        """Gives the text that Prometheus reads and its media type.

        Args:
            accept: which format its reader takes.
            state: the service's present one.
            process: what is measured of its process, or its processes.
        """
        encoder, media_type = choose_encoder(accept)
        whole = CollectorRegistry()
        if self._folder is not None:
            MultiProcessCollector(whole, str(self._folder))
        for collector in (*([self._registry] if self._folder is None else []), StateCollector(state), process):
            whole.register(collector)
        PlatformCollector(registry=whole)
        return encoder(whole), media_type
