"""Callers who say that they send no more, and wait; those who have gone say the same."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import PictureOf, RunningService, StartService

HEAD = "POST /predict HTTP/{}\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {}\r\n{}\r\n"
BUSY_PX = (3000, 3000)


def connect(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), 20)


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def request(image: bytes, version: str = "1.1", headers: str = "") -> bytes:
    return HEAD.format(version, len(image), headers).encode() + image


@pytest.mark.parametrize(("version", "headers"), [("1.1", ""), ("1.1", "Connection: close\r\n"), ("1.0", "")])
def test_whoever_sends_no_more_gets_the_whole_answer(
    service: RunningService, picture_of: PictureOf, version: str, headers: str
) -> None:
    with connect(service.url) as sender:
        sender.sendall(request(picture_of("red", size=(800, 800)), version, headers))
        sender.shutdown(socket.SHUT_WR)
        head, _, body = read_all(sender).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close" in head
    assert body.startswith(b'{"class_id"')
    assert b'"label":"red"' in body


def test_a_refusal_reaches_whoever_sends_no_more(service: RunningService) -> None:
    with connect(service.url) as sender:
        sender.sendall(request(b"no image"))
        sender.shutdown(socket.SHUT_WR)
        assert read_all(sender).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_requests_that_were_sent_together_are_all_answered(service: RunningService, picture_of: PictureOf) -> None:
    with connect(service.url) as sender:
        sender.sendall(b"".join(request(picture_of(colour)) for colour in ("red", "blue", "cyan")))
        sender.shutdown(socket.SHUT_WR)
        answer = read_all(sender)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert [answer.find(b'"label":"%b"' % colour) > 0 for colour in (b"red", b"blue", b"cyan")] == [True] * 3


def test_whoever_ends_within_its_body_is_gone(service: RunningService) -> None:
    with connect(service.url) as sender:
        sender.sendall(request(bytes(1000))[:-1])
        sender.shutdown(socket.SHUT_WR)
        assert read_all(sender) == b""


@pytest.mark.parametrize("resets", [False, True])
def test_of_those_who_go_and_those_who_wait_only_the_first_are_dropped(
    start_service: StartService, picture_of: PictureOf, resets: bool
) -> None:
    image = picture_of("red", size=BUSY_PX)
    with start_service(threads=1) as running, connect(running.url) as waiting:
        with connect(running.url) as first:
            first.sendall(request(image))
            while "imgcls_held_bytes 0.0" in running.client.get("/metrics").text:
                pass
            waiting.sendall(request(picture_of("blue")))
            waiting.shutdown(socket.SHUT_WR)
            for _ in range(8):
                with connect(running.url) as leaving:
                    leaving.sendall(request(image))
                    if resets:
                        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            first.shutdown(socket.SHUT_WR)
            assert b'"label":"red"' in read_all(first)
            assert b'"label":"blue"' in read_all(waiting)
        while "imgcls_in_flight_requests 1.0" not in (text := running.client.get("/metrics").text):
            pass
    assert 'imgcls_requests_total{code="caller_gone",route="/predict",status="0"} 8.0' in text
