"""Traces reach a collector that speaks OTLP over HTTP, here one on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import PictureOf, StartService

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


class Collector(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[bytes] = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Collector)
        self.server.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_request_becomes_a_span_of_its_callers_trace(
    start_service: StartService, picture_of: PictureOf, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not yet sent is sent at the end of the process, so nothing has to be waited for."""
    proto: Any = pytest.importorskip(
        "opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason="opentelemetry is not installed"
    )
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
    with start_service() as running:
        headers = {"content-type": "image/png", "traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01"}
        assert running.client.post("/predict", content=picture_of("red"), headers=headers).status_code == 200
    requests = [proto.ExportTraceServiceRequest.FromString(body) for body in collector.bodies]
    spans = [
        span
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    (span,) = spans
    assert span.name == "POST /predict"
    assert span.trace_id.hex() == TRACE_ID
    assert span.parent_span_id.hex() == "b7ad6b7169203331"
    attributes = {one.key: one.value for one in span.attributes}
    assert attributes["http.response.status_code"].int_value == 200
    assert attributes["imgcls.class_id"].int_value == 0
    assert span.end_time_unix_nano > span.start_time_unix_nano


def test_without_a_collector_nothing_of_opentelemetrys_sdk_is_imported() -> None:
    import subprocess
    import sys

    code = (
        "import sys\n"
        "from imgcls_serve.observing.tracing import tracer_from_environment\n"
        "assert tracer_from_environment() is None\n"
        "sys.exit(any(name.startswith('opentelemetry.sdk') for name in sys.modules))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
