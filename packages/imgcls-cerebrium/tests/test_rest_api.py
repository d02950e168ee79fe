"""What the platform says of an app, in the forms that its API has been seen to use."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from imgcls_cerebrium.address import CerebriumApp
from imgcls_cerebrium.errors import PlatformApiError
from imgcls_cerebrium.rest_api import CerebriumApi

Serve = Callable[[int, object], CerebriumApi]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start an API that answers every question alike."""
    running: list[tuple[http.server.HTTPServer, threading.Thread, CerebriumApi]] = []

    def start(status: int, document: object) -> CerebriumApi:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        running.append((server, thread, CerebriumApi(CerebriumApp("p-1", "a"), "the-token", rest_url=url)))
        return running[-1][2]

    yield start
    for server, thread, api in running:
        api.__exit__()
        server.shutdown()
        server.server_close()
        thread.join()


def test_numbers_that_come_as_text_and_fields_that_are_missing_are_understood(serve: Serve) -> None:
    (run,) = serve(200, {"items": [{"id": 7, "statusCode": "502", "queueTimeMs": "3.5", "runtimeMs": "long"}]}).runs()
    assert (run.run_id, run.status_code, run.queue_ms, run.runtime_ms) == ("7", 502, 3.5, None)
    assert run.is_failed
    (container,) = serve(200, [{"containerId": "c", "isTerminating": "true"}, "no object"]).containers()
    assert (container.restarts, container.is_terminating) == (0, True)
    state = serve(200, {"appStatus": "cold", "minReplicas": "0"}).state()
    assert (state.status, state.min_replicas, state.max_replicas) == ("cold", 0, None)


@pytest.mark.parametrize("document", [[], {}, {"items": None}, 3])
def test_a_listing_of_nothing_is_empty(serve: Serve, document: object) -> None:
    assert serve(200, document).log_lines() == []


@pytest.mark.parametrize(
    ("status", "document", "said"),
    [
        (401, {"message": "Unauthorized"}, r"answered 401 \(the token does not open it\): Unauthorized"),
        (405, b"", "the token does not open it"),
        (500, b"<html>", "answered 500: no reason given"),
        (200, b"<html>", "did not answer JSON"),
    ],
)
def test_what_it_refuses_is_said_without_the_token(serve: Serve, status: int, document: object, said: str) -> None:
    with pytest.raises(PlatformApiError, match=said) as refused:
        serve(status, document).containers()
    assert "the-token" not in str(refused.value)


def test_an_api_that_is_not_there_is_named() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # and not listening
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        with (
            CerebriumApi(CerebriumApp("p-1", "a"), "t", rest_url=url) as api,
            pytest.raises(PlatformApiError, match="No answer from the platform's API"),
        ):
            api.state()
