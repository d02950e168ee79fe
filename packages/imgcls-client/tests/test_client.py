"""Both clients from Python: the same sentences hold for the one for threads and the one for asyncio."""

from __future__ import annotations

import asyncio
import io
import socket
import threading
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import imgcls_client
import pytest
from imgcls_client import (
    NO_RETRY,
    AccessDeniedError,
    AnswerTimeoutError,
    AsyncImgclsClient,
    DeadlineExceededError,
    ImageRefusedError,
    ImageSourceError,
    ImgclsClient,
    NotFoundError,
    ParameterRefusedError,
    Prediction,
    RetryPolicy,
    ServiceFaultError,
    Timeouts,
    UnavailableError,
    UnexpectedAnswerError,
    UnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from conftest import Refusal, Request, Serve, StandIn, WebServer

    Ask = Callable[..., Any]

QUICK = RetryPolicy(attempts=3, base_s=0.001, longest_s=0.002)


@pytest.fixture(params=["threads", "asyncio"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Call one method of a fresh client: `ask(url, method, *arguments, retry=…, timeouts=…, api_key=…)`."""

    def with_threads(url: str, method: str, *arguments: object, settings: dict[str, Any]) -> object:
        with ImgclsClient(url, **settings) as client:
            return getattr(client, method)(*arguments)

    async def with_asyncio(url: str, method: str, *arguments: object, settings: dict[str, Any]) -> object:
        async with AsyncImgclsClient(url, **settings) as client:
            return await cast("Awaitable[object]", getattr(client, method)(*arguments))

    def start(url: str, method: str, *arguments: object, **settings: Any) -> object:
        settings = {"retry": NO_RETRY, **settings}
        if request.param == "threads":
            return with_threads(url, method, *arguments, settings=settings)
        return asyncio.run(with_asyncio(url, method, *arguments, settings=settings))

    return start


def test_bytes_paths_and_open_files_get_the_same_answer(
    ask: Ask, service: StandIn, image: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(image)
    answers = [ask(service.url, "predict", image) for image in (image, path, str(path), io.BytesIO(image))]
    assert len({(answer.class_id, answer.probability) for answer in answers}) == 1
    assert answers[0].label == answers[0].top[0].label
    assert answers[0].timing_ms.inference == 0.2
    assert answers[0].call_ms > 0


def test_a_notebook_shows_an_answer_as_a_table_whatever_the_labels_are(ask: Ask, serve: Serve, image: bytes) -> None:
    answer = ask(serve(labels=[f"<b>{number}" for number in range(10)]).url, "predict", image)
    shown = answer._repr_html_()
    assert shown.count("<tr>") == len(answer.top)
    assert f"&lt;b&gt;{answer.class_id}" in shown
    assert "<b>" not in shown


def test_a_batch_answers_in_order_with_errors_in_their_own_place(ask: Ask, service: StandIn, image: bytes) -> None:
    first, bad, last = ask(service.url, "predict_batch", [image, b"no image", image])
    assert isinstance(bad, ImageRefusedError)
    assert (bad.code, bad.request_id) == ("image_undecodable", "id-0001")
    assert first.model.name == "stand-in"
    assert isinstance(first, Prediction)
    assert first.class_id == last.class_id


def test_health_golden_and_models_are_typed(ask: Ask, service: StandIn) -> None:
    assert ask(service.url, "health").model.classes == 10
    golden = ask(service.url, "golden")
    assert golden.tolerance == 1e-4
    assert golden.cases[0].image.startswith(b"\x89PNG")
    assert ask(service.url, "models")[0].default


def test_not_being_ready_is_an_answer_with_the_reason(ask: Ask, serve: Serve) -> None:
    readiness = ask(serve(is_ready=False).url, "ready")
    assert not readiness.ready
    assert readiness.reason == "The model is still loading."


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ImageRefusedError),
        (401, AccessDeniedError),
        (403, AccessDeniedError),
        (404, NotFoundError),
        (413, ImageRefusedError),
        (415, ImageRefusedError),
        (422, ParameterRefusedError),
        (500, ServiceFaultError),
        (503, UnavailableError),
        (504, DeadlineExceededError),
    ],
)
def test_each_refusal_is_its_own_exception_with_status_code_and_request_id(
    ask: Ask, always: Callable[[int], StandIn], image: bytes, status: int, kind: type[imgcls_client.RefusedError]
) -> None:
    with pytest.raises(kind) as caught:
        ask(always(status).url, "predict", image)
    assert (caught.value.status, caught.value.code) == (status, "planted")
    assert caught.value.request_id == "id-0001"


@pytest.mark.parametrize("status", [502, 503, 504])
def test_passing_failures_are_tried_again(
    ask: Ask, serve: Serve, refusal: type[Refusal], image: bytes, status: int
) -> None:
    service = serve(answer_before=failing(2, lambda: refusal(status, "planted", "passing")))
    assert ask(service.url, "predict", image, retry=QUICK).top
    assert len(service.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422, 500])
def test_what_would_fail_again_is_asked_once(
    ask: Ask, always: Callable[[int], StandIn], image: bytes, status: int
) -> None:
    service = always(status)
    with pytest.raises(imgcls_client.RefusedError):
        ask(service.url, "predict", image, retry=QUICK)
    assert len(service.requests) == 1


def test_retry_after_is_waited_for_and_a_long_one_is_reported(
    ask: Ask, serve: Serve, refusal: type[Refusal], image: bytes, waits: list[float]
) -> None:
    service = serve(answer_before=failing(1, lambda: refusal(503, "queue_full", "full", {"retry-after": "7"})))
    ask(service.url, "predict", image, retry=QUICK)
    assert 7 <= waits[0] < 7.01

    service = serve(answer_before=failing(1, lambda: refusal(503, "queue_full", "full", {"retry-after": "3600"})))
    with pytest.raises(UnavailableError) as caught:
        ask(service.url, "predict", image, retry=QUICK)
    assert caught.value.retry_after_s == 3600


def test_a_connection_that_breaks_is_tried_again(ask: Ask, breaking_server: BreakingServer, image: bytes) -> None:
    with pytest.raises(UnreachableError, match="the connection broke"):
        ask(breaking_server.url, "predict", image, retry=QUICK)
    assert breaking_server.connections == 3


def test_no_service_is_unreachable_and_a_connection_error(ask: Ask, free_port: int, image: bytes) -> None:
    with pytest.raises(ConnectionError, match="connection refused"):
        ask(f"http://127.0.0.1:{free_port}", "predict", image)


def test_the_first_answer_may_take_long_and_later_ones_may_not(serve: Serve, image: bytes) -> None:
    """The service holds back until told, which is within the limit for a cold start and beyond the other."""
    release = threading.Event()

    def hold_back(_service: StandIn, _request: Request) -> None:
        release.wait(timeout=5)

    service = serve(answer_before=hold_back)
    with ImgclsClient(service.url, timeouts=Timeouts(cold_start_s=5, warm_s=0.05), retry=NO_RETRY) as client:
        threading.Timer(0.2, release.set).start()
        assert client.predict(image).top
        release.clear()
        with pytest.raises(AnswerTimeoutError, match=r"within 0\.05 s"):
            client.predict(image)
        release.set()


def test_a_timeout_names_the_limit_that_was_in_force(serve: Serve, image: bytes) -> None:
    """The limit for a cold start is back in force when the warm one has passed, but it is not what was waited."""
    release = threading.Event()

    def hold_back(service: StandIn, _request: Request) -> None:
        if len(service.requests) > 1:
            release.wait(timeout=5)

    service = serve(answer_before=hold_back)
    with ImgclsClient(service.url, timeouts=Timeouts(warm_s=0.2, warm_for_s=0.1), retry=NO_RETRY) as client:
        client.predict(image)
        with pytest.raises(AnswerTimeoutError, match=r"within 0\.2 s"):
            client.predict(image)
        release.set()


def test_something_else_at_the_address_is_named(ask: Ask, web: Callable[[bytes], WebServer], image: bytes) -> None:
    address = web(b"<html>hello</html>").url.removesuffix("/a.png")
    with pytest.raises(UnexpectedAnswerError, match="Is this the address of an imgcls service"):
        ask(address, "health")


def test_a_file_that_is_not_there_is_named(ask: Ask, service: StandIn, tmp_path: Path) -> None:
    with pytest.raises(ImageSourceError, match="No such file"):
        ask(service.url, "predict", tmp_path / "missing.png")


def test_the_key_goes_with_every_call_and_never_into_representations(serve: Serve, image: bytes) -> None:
    service = serve(api_key="hunter2")
    with ImgclsClient(service.url, api_key="hunter2") as client:
        client.predict(image)
        client.health()
        assert "hunter2" not in repr(client.connection)
    assert {request.headers["authorization"] for request in service.requests} == {"Bearer hunter2"}


def test_connections_are_reused(service: StandIn, image: bytes) -> None:
    with ImgclsClient(service.url) as client:
        for _ in range(5):
            client.predict(image)
    assert len({request.peer for request in service.requests}) == 1


def test_a_path_in_the_address_is_kept(ask: Ask, serve: Serve, refusal: type[Refusal]) -> None:
    def strip(service: StandIn, request: Request) -> None:
        raise refusal(404, "not_found", request.path)

    with pytest.raises(NotFoundError) as caught:
        ask(serve(answer_before=strip).url + "/v4/p-1/app/", "health")
    assert caught.value.detail == "/v4/p-1/app/health"


def test_the_public_names_are_those_that_exist() -> None:
    assert imgcls_client.__all__ == sorted(imgcls_client.__all__, key=lambda name: (not name.isupper(), name))
    for name in imgcls_client.__all__:
        assert getattr(imgcls_client, name).__module__.startswith(("imgcls_sdk", "imgcls_contract")) or name.isupper()


def test_waits_double_with_jitter_up_to_a_limit() -> None:
    policy = RetryPolicy(attempts=100, base_s=1, longest_s=8)
    failure = UnreachableError("http://x", "gone")
    for attempt, most_s in ((1, 1), (2, 2), (3, 4), (4, 8), (9, 8)):
        waits = [policy.delay_s(attempt, failure) or 0 for _ in range(200)]
        assert max(waits) <= most_s
        assert max(waits) > most_s * 0.8
        assert min(waits) < most_s * 0.2


def failing(times: int, make: Callable[[], Exception]) -> Callable[[object, object], None]:
    """Refuse so often, then answer."""
    calls = count()

    def before(_service: object, _request: object) -> None:
        if next(calls) < times:
            raise make()

    return before


@pytest.fixture
def always(serve: Serve, refusal: type[Refusal]) -> Callable[[int], StandIn]:
    """Start a service that answers everything with one status."""

    def start(status: int) -> StandIn:
        return serve(answer_before=failing(10**6, lambda: refusal(status, "planted", "planted")))

    return start


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the waits between attempts instead of waiting."""
    waited: list[float] = []

    async def note(delay_s: float) -> None:
        waited.append(delay_s)

    monkeypatch.setattr("imgcls_sdk.client.time.sleep", waited.append)
    monkeypatch.setattr("imgcls_sdk.async_client.asyncio.sleep", note)
    return waited


class BreakingServer:
    """Takes connections and closes each without an answer."""

    def __init__(self) -> None:
        self.connections = 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        while True:
            connection, _ = self.socket.accept()
            received = connection.recv(65536)
            connection.close()
            if received == b"stop":
                return
            self.connections += 1

    def stop(self) -> None:
        with socket.create_connection(self.socket.getsockname()) as last:
            last.sendall(b"stop")
        self.thread.join()
        self.socket.close()


@pytest.fixture
def breaking_server() -> Iterator[BreakingServer]:
    server = BreakingServer()
    yield server
    server.stop()
