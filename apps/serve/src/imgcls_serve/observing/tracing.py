"""OpenTelemetry traces, where the standard environment variables name a collector; otherwise nothing of it is imported.

One span for each request, made when the request is over: its times and stages are known then, and a request costs
nothing but that.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

logger = logging.getLogger(__name__)

# Read by the OpenTelemetry SDK too, which takes headers, protocol, sampling and resource attributes from their kin.
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

_SERVER_ERROR: Final = 500


class Tracer:
    """Sends a span for each request to the collector, in batches and from a thread of its own."""

    def __init__(self) -> None:
        # Untyped on purpose: the packages are an extra.
        self._api: Any = import_module("opentelemetry.trace")
        propagation: Any = import_module("opentelemetry.trace.propagation.tracecontext")
        sdk: Any = import_module("opentelemetry.sdk.trace")
        export: Any = import_module("opentelemetry.sdk.trace.export")
        resources: Any = import_module("opentelemetry.sdk.resources")
        otlp: Any = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        name = {"service.name": os.environ.get("OTEL_SERVICE_NAME", "imgcls-serve")}
        self._provider = sdk.TracerProvider(resource=resources.Resource.create(name), shutdown_on_exit=False)
        self._provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("imgcls_serve")
        self._propagator = propagation.TraceContextTextMapPropagator()

    def request_answered(
        self,
        *,
        method: str,
        route: str,
        status: int,
        seconds: float,
        headers: Mapping[bytes, bytes],
        fields: Mapping[str, Any],
    ) -> None:
        """Records a request that is over.

        Args:
            method: of HTTP.
            route: its pattern.
            status: of the answer; 0 when the caller had gone.
            seconds: how long it took.
            headers: of the request; `traceparent` makes the span a child of the caller's.
            fields: become attributes `imgcls.*`.
        """
        end_ns = time.time_ns()
        carrier = {name: headers[name.encode()].decode("latin-1") for name in _PARENT if name.encode() in headers}
        span = self._tracer.start_span(
            f"{method} {route}",
            context=self._propagator.extract(carrier),
            kind=self._api.SpanKind.SERVER,
            start_time=end_ns - int(seconds * 1e9),
            attributes={
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": status,
                **{f"imgcls.{name}": value for name, value in fields.items() if value is not None},
            },
        )
        if status >= _SERVER_ERROR:
            span.set_status(self._api.StatusCode.ERROR)
        span.end(end_ns)

    def close(self) -> None:
        """Sends what was not yet sent."""
        self._provider.shutdown()


_PARENT: Final = ("traceparent", "tracestate")


def tracer_from_environment() -> Tracer | None:
    """Gives a tracer where a collector is named and the packages are there; says in the log what is missing."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or not any(map(os.environ.get, _ENDPOINTS)):
        return None
    try:
        return Tracer()
    except ImportError:
        logger.warning("A collector for traces is named, but OpenTelemetry is missing; install `imgcls-serve[otel]`")
        return None
