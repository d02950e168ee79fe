"""Senders that are slow, broken or hostile, over real sockets."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from typing import TYPE_CHECKING

import msgspec
import pytest
from imgcls_contract import PROBLEMS, ProblemDocument

if TYPE_CHECKING:
    from conftest import PictureOf, RunningService, StartService

HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n"
WAIT_MS = 20_000
PNG = {"content-type": "image/png"}


def connect(url: str, address: str = "127.0.0.1") -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), 20, (address, 0))


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_a_sender_who_never_ends_its_headers_is_cut_off(start_service: StartService) -> None:
    with start_service(header_timeout_s=0.2) as running:
        with connect(running.url) as silent, connect(running.url) as slow:
            slow.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
            assert read_all(slow) == read_all(silent) == b""
        assert running.client.get("/health").status_code == 200


@pytest.mark.parametrize("lines", [12_000, 60_000])
@pytest.mark.parametrize("earlier_requests", [0, 1])
def test_endless_headers_are_refused(service: RunningService, lines: int, earlier_requests: int) -> None:
    """However the bytes are cut into packets, and on a connection that was used before too."""
    with connect(service.url) as sender:
        for _ in range(earlier_requests):
            sender.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sender.recv(65_536).startswith(b"HTTP/1.1 200 ")
        sender.sendall(b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * lines)
        assert read_all(sender).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("path", ["/health", "/ready", "/v2/health/live", "/v2/health/ready"])
@pytest.mark.parametrize("provider", ["cpu", "cuda"])
def test_head_asks_how_the_service_is_as_get_does(start_service: StartService, path: str, provider: str) -> None:
    """Monitors use it, also of a service that is not ready, as without a GPU the second one is."""
    with start_service(provider=provider) as running:
        head, get = running.client.head(path), running.client.get(path)
    assert head.content == b""
    assert head.status_code == get.status_code
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize("path", ["/predict", "/metrics", "/models", "/golden"])
def test_head_is_not_allowed_elsewhere(service: RunningService, path: str) -> None:
    answer = service.client.head(path)
    assert (answer.status_code, answer.content) == (405, b"")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x16\x03\x01 hello\r\n\r\n", "bad_request"),
        (b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 12_000, "headers_too_large"),
    ],
)
def test_what_never_becomes_a_request_gets_the_same_document_as_one(
    service: RunningService, sent: bytes, code: str
) -> None:
    with connect(service.url) as sender:
        sender.sendall(sent)
        head, _, body = read_all(sender).partition(b"\r\n\r\n")
    document = msgspec.json.decode(body, type=ProblemDocument)
    problem = PROBLEMS[code]
    assert head.startswith(b"HTTP/1.1 %d " % problem.status)
    assert b"content-type: application/problem+json" in head
    assert document == ProblemDocument.of(problem, document.detail, document.request_id)
    assert len(document.request_id) == 32
    asked = service.client.get("/nowhere").json()
    assert list(msgspec.to_builtins(document)) == list(asked)


def test_one_connection_too_many_is_refused_and_the_others_live(start_service: StartService) -> None:
    with start_service(max_connections=2) as running, connect(running.url) as one, connect(running.url) as two:
        for sender in (one, two):
            sender.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
        with connect(running.url) as third:
            answer = read_all(third)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after" in answer
        one.sendall(b"\r\n")
        assert one.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_an_idle_connection_makes_way_for_a_new_one(start_service: StartService) -> None:
    """The one that has been idle longest."""
    ask = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    with start_service(max_connections=2) as running, connect(running.url) as one, connect(running.url) as two:
        for sender in (one, two):
            sender.sendall(ask)
            assert sender.recv(65_536).startswith(b"HTTP/1.1 200 ")
        with connect(running.url) as third:
            third.sendall(ask)
            assert third.recv(65_536).startswith(b"HTTP/1.1 200 ")
        assert read_all(one) == b""


def test_an_address_that_takes_all_connections_makes_way_for_another(start_service: StartService) -> None:
    """Those that are idle or hold up an answer, not those that are being answered."""
    ask = b"GET /health HTTP/1.1\r\nHost: x\r\n"
    with start_service(max_connections=3) as running, contextlib.ExitStack() as stack:
        floods = [stack.enter_context(connect(running.url)) for _ in range(3)]
        for sender in floods:
            sender.sendall(ask)
        with connect(running.url) as another:
            assert read_all(another).startswith(b"HTTP/1.1 503 ")
        with connect(running.url, "127.0.0.2") as polite, connect(running.url, "127.0.0.3") as second:
            for sender in (polite, second):
                sender.sendall(ask + b"\r\n")
                assert sender.recv(65_536).startswith(b"HTTP/1.1 200 ")
            assert sorted(go_on(sender) for sender in floods) == [b"", b"", b"HTTP/1.1 200 "]


def go_on(sender: socket.socket) -> bytes:
    """Ends the headers; gives the beginning of the answer, nothing where the connection was reset."""
    try:
        sender.sendall(b"\r\n")
        return sender.recv(65_536)[:13]
    except OSError:
        return b""


def test_trailers_without_end_are_refused(service: RunningService) -> None:
    """They are held neither, and the body before them may be of any size."""
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: image/png\r\n\r\n"
    with connect(service.url) as sender:
        sender.sendall(head + b"5\r\nhello\r\n0\r\n")
        with contextlib.suppress(OSError):  # it may be cut off while we still send
            for _ in range(300):
                sender.sendall(b"X-Trailer: yyyyyyyy\r\n" * 100)
            assert read_all(sender).startswith(b"HTTP/1.1 431 ")
    assert service.client.get("/health").status_code == 200


def test_a_body_in_chunks_of_one_byte_is_read(service: RunningService, picture_of: PictureOf) -> None:
    image = picture_of("red")
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: image/png\r\n"
    with connect(service.url) as sender:
        sender.sendall(head + b"Connection: close\r\n\r\n")
        sender.sendall(b"".join(b"1\r\n%c\r\n" % byte for byte in image) + b"0\r\nX-Trailer: y\r\n\r\n")
        assert b'"label":"red"' in read_all(sender)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhello",
    ],
)
def test_a_head_that_a_proxy_could_read_otherwise_is_refused(service: RunningService, head: bytes) -> None:
    with connect(service.url) as sender:
        sender.sendall(head)
        assert read_all(sender).startswith(b"HTTP/1.1 400 ")


def test_who_asks_for_another_protocol_is_answered_in_this_one_and_the_connection_ends(service: RunningService) -> None:
    """What follows is not read: whoever takes it for another protocol would not agree with us where it ends."""
    ask = b"GET /ready HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with connect(service.url) as sender:
        sender.sendall(2 * ask)
        answers = read_all(sender)
    assert answers.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answers
    assert answers.count(b"HTTP/1.1 ") == 1


def test_a_caller_who_does_not_read_its_answers_is_cut_off(start_service: StartService) -> None:
    ask = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    with start_service(write_timeout_s=0.2) as running, connect(running.url) as one, connect(running.url) as two:
        ended = select.poll()
        for caller in (one, two):
            caller.sendall(ask * 200)
            ended.register(caller, 0)  # asks for a hang-up alone
        for _ in range(2):
            ((descriptor, event), *_) = ended.poll(WAIT_MS)
            assert event & (select.POLLHUP | select.POLLERR)
            ended.unregister(descriptor)
        assert running.client.get("/health").status_code == 200


@pytest.mark.parametrize("path", ["/openapi.json", "/golden"])
def test_what_is_the_same_for_all_is_sent_once_to_each(service: RunningService, path: str) -> None:
    first = service.client.get(path)
    assert first.status_code == 200
    again = service.client.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert service.client.get(path, headers={"if-none-match": '"other"'}).content == first.content


def test_an_answer_given_before_the_body_was_read_reaches_a_caller_who_still_sends(start_service: StartService) -> None:
    """Refused at its headers; the rest of the body is taken and thrown away, and the connection goes on."""
    with start_service(max_image_bytes=1000) as running, connect(running.url) as sender:
        size = 2_000_000
        sender.sendall(HEAD % size)
        sender.sendall(bytes(size))
        sender.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = read_all(sender)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"HTTP/1.1 200 OK" in answer


def test_the_rest_of_a_body_that_was_refused_is_not_counted_to_the_next_request(
    start_service: StartService, picture_of: PictureOf
) -> None:
    """Whoever was answered early sends the next request right behind the rest, in the same packets."""
    image, size = picture_of("red"), 400_000
    with start_service(max_image_bytes=1000) as running, connect(running.url) as sender:
        sender.sendall(HEAD % size + bytes(200_000))
        assert sender.recv(65_536).startswith(b"HTTP/1.1 413 ")
        sender.sendall(bytes(size - 200_000) + HEAD % len(image) + image[:20])
        assert running.client.get("/health").status_code == 200  # so much has been read
        sender.sendall(image[20:])
        assert b'"label":"red"' in sender.recv(65_536)


def test_a_caller_who_hangs_up_in_its_body_leaves_no_trace(start_service: StartService, picture_of: PictureOf) -> None:
    with start_service() as running:
        for _ in range(20):
            with connect(running.url) as sender:
                sender.sendall(HEAD % 99 + b"a")
        assert running.client.post("/predict", content=picture_of("red"), headers=PNG).json()["label"] == "red"
        while "imgcls_in_flight_requests 1.0" not in (text := running.client.get("/metrics").text):
            pass
        assert 'code="caller_gone",route="/predict",status="0"} 20.0' in text
        assert [line for line in running.log if line["level"] == "error"] == []


def test_a_caller_who_resets_before_all_its_requests_are_answered_leaves_no_trace(start_service: StartService) -> None:
    with start_service() as running:
        for _ in range(3):
            with connect(running.url) as sender:
                sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sender.sendall(b"GET /golden HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
                while "imgcls_in_flight_requests 2.0" not in running.client.get("/metrics").text:
                    pass  # until no more can be written of what it does not read
        while "imgcls_in_flight_requests 1.0" not in running.client.get("/metrics").text:
            pass
        assert [line for line in running.log if line["level"] == "error"] == []


def test_work_of_a_caller_who_hangs_up_while_it_waits_is_dropped(
    start_service: StartService, picture_of: PictureOf
) -> None:
    """Eight large images keep the workers busy; most of those who leave meanwhile are never decoded."""
    image = picture_of("red", size=(3000, 3000))
    with start_service(threads=1) as running:
        for _ in range(8):
            with connect(running.url) as sender:
                sender.sendall(HEAD % len(image) + image)
                while "imgcls_held_bytes 0.0" in running.client.get("/metrics").text:
                    pass
        while "imgcls_in_flight_requests 1.0" not in (text := running.client.get("/metrics").text):
            pass
        gone = 'imgcls_requests_total{code="caller_gone",route="/predict",status="0"}'
        assert gone in text
        assert running.client.post("/predict", content=image, headers=PNG).json()["label"] == "red"


def test_bodies_in_flight_have_a_limit_together(start_service: StartService, picture_of: PictureOf) -> None:
    """Two senders in the middle of their bodies hold all there is; the third is refused; then there is room again."""
    with start_service(max_inflight_bytes=100_000) as running:
        with connect(running.url) as one, connect(running.url) as two:
            for sender in (one, two):
                sender.sendall(HEAD % 60_000 + bytes(49_000))
            while "imgcls_held_bytes 98000.0" not in running.client.get("/metrics").text:
                pass
            refused = running.client.post("/predict", content=bytes(5000), headers=PNG)
            assert (refused.status_code, refused.json()["code"]) == (503, "queue_full")
            assert refused.headers["retry-after"] == "1"
        while "imgcls_held_bytes 0.0" not in running.client.get("/metrics").text:
            pass
        assert running.client.post("/predict", content=picture_of("red"), headers=PNG).json()["label"] == "red"
