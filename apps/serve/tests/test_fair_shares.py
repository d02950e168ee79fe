"""One caller's flood is its own trouble: others are answered as if it were not there."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from imgcls_serve.errors import QueueFullError
from imgcls_serve.http.caller import network_of
from imgcls_serve.scheduler.admission import QueueBounds
from imgcls_serve.scheduler.job import Deadline, JobResult
from imgcls_serve.scheduler.speed import Speed
from scheduler_stand_ins import HeldDecode, MovableLoop, Observer, layout, new_scheduler, reached, run, submit

if TYPE_CHECKING:
    from conftest import PictureOf, RunningService, StartService
    from imgcls_core.images.preprocess import PreparedImage

KEYS = {"flood": "flood-key-1", "polite": "polite-key-1"}


def test_whoever_has_fewer_waiting_takes_the_place_of_the_latest_of_whoever_has_most() -> None:
    async def test(_: MovableLoop) -> None:
        observer = Observer()
        scheduler = new_scheduler(layout(), queue_size=4, observer=observer)
        scheduler.start()
        model = HeldDecode()
        flood = [submit(scheduler, model, number, caller="flood") for number in range(4)]
        await reached(model)
        with pytest.raises(QueueFullError):
            submit(scheduler, model, 4, caller="flood")
        polite = submit(scheduler, model, 10, caller="polite")
        with pytest.raises(QueueFullError, match="most of them yours"):
            await flood[3]
        assert scheduler.pending == 4
        second = submit(scheduler, model, 11, caller="polite")
        with pytest.raises(QueueFullError):  # both have two now
            submit(scheduler, model, 12, caller="polite")
        model.let_go.set()
        answers = await asyncio.gather(*flood[:2], polite, second)
        assert [one.width_px for one in answers] == [0, 1, 10, 11]
        assert observer.dropped == ["gave_way", "gave_way"]
        await scheduler.stop()

    run(test)


def test_callers_take_turns() -> None:
    async def test(_: MovableLoop) -> None:
        scheduler = new_scheduler(layout(), queue_size=100)
        scheduler.start()
        model = HeldDecode()
        futures = [submit(scheduler, model, number, caller="flood") for number in range(6)]
        await reached(model)
        futures += [submit(scheduler, model, number, caller="one") for number in (10, 11)]
        futures += [submit(scheduler, model, 20, caller="two")]
        model.let_go.set()
        await asyncio.gather(*futures)
        assert model.decoded == [0, 1, 10, 20, 2, 11, 3, 4, 5]
        await scheduler.stop()

    run(test)


def test_a_deadline_counts_what_is_before_a_callers_turn_alone() -> None:
    """A flood that would take longer than the deadline refuses the flood, and nobody else."""

    class Slow(HeldDecode):
        def preprocess(self, source: Any) -> PreparedImage:
            threading.Event().wait(0.01)
            return super().preprocess(source)

    async def test(loop: MovableLoop) -> None:
        scheduler = new_scheduler(layout(max_batch=1), queue_size=1000)
        scheduler.start()
        model = Slow()
        model.let_go.set()
        for number in range(20):
            await submit(scheduler, model, number, caller="flood")
        model.let_go.clear()
        futures = [submit(scheduler, model, number, caller="flood") for number in range(200)]
        soon_s = loop.time() + 0.2  # at 10 ms an image or more the flood takes two seconds
        with pytest.raises(QueueFullError, match="longer than this request's deadline"):
            submit(scheduler, model, 200, soon_s, "flood")
        scheduler.check_admission(Deadline(soon_s, 1), caller="polite")
        for one in futures:
            one.cancel()
        model.let_go.set()
        await scheduler.stop()

    run(test)


def test_who_is_told_to_send_an_image_counts_with_its_caller_until_it_has_come() -> None:
    """Else all who ask in the moment of one free place would send theirs, and all but one for nothing."""

    async def test(loop: MovableLoop) -> None:
        scheduler = new_scheduler(layout(), queue_size=3)
        scheduler.start()
        model = HeldDecode()
        futures = [submit(scheduler, model, number, caller="flood") for number in range(2)]
        await reached(model)

        def expect(caller: str, at_s: float) -> None:
            scheduler.admission.expect(caller, now_s=at_s, left_s=60)

        assert not scheduler.admission.is_crowded(60)
        expect("flood", 0)
        with pytest.raises(QueueFullError):
            expect("flood", 0.1)
        expect("polite", 0.1)
        expect("flood", 0.3)  # what was told to come has not
        futures.append(submit(scheduler, model, 2, caller="flood"))
        assert scheduler.admission.is_crowded(60)
        with pytest.raises(QueueFullError):
            expect("flood", 0.3)
        model.let_go.set()
        await asyncio.gather(*futures)
        expect("flood", 0.3)
        await scheduler.stop()

    run(test)


def test_the_bodies_of_one_caller_give_way_to_anothers(start_service: StartService, picture_of: PictureOf) -> None:
    """The latest that is still being sent goes; the others go on, and are answered."""
    image = picture_of("red", size=(400, 400))
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n"
    part = bytes(400_000)
    with start_service(max_inflight_bytes=1_000_000) as running, contextlib.ExitStack() as stack:
        host, port = running.url.removeprefix("http://").split(":")

        def connect(address: str) -> socket.socket:
            return stack.enter_context(socket.create_connection((host, int(port)), 20, (address, 0)))

        def held_bytes() -> float:
            text = running.client.get("/metrics").text
            return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("imgcls_held_bytes "))

        earlier, latest = connect("127.0.0.1"), connect("127.0.0.1")
        for number, sender in enumerate((earlier, latest), 1):
            sender.sendall(head % 600_000 + part)
            while held_bytes() < number * len(part):
                pass
        own = connect("127.0.0.1")
        own.sendall(head % 300_000 + part[:300_000])
        assert own.recv(65_536).startswith(b"HTTP/1.1 503 ")
        polite = connect("127.0.0.2")
        polite.sendall(head % 500_000 + image + bytes(500_000 - len(image) - 1))
        refusal = latest.recv(65_536)
        assert refusal.startswith(b"HTTP/1.1 503 ")
        assert b"most of them yours" in refusal
        polite.sendall(b"\0")
        assert polite.recv(65_536).startswith(b"HTTP/1.1 200 ")
        earlier.sendall(bytes(200_000))
        assert earlier.recv(65_536).startswith(b"HTTP/1.1 400 ")
        assert held_bytes() == 0


def test_a_caller_with_another_key_is_answered_while_the_first_floods(
    start_service: StartService, picture_of: PictureOf
) -> None:
    image = picture_of("red", size=(1500, 1500))

    async def ask(client: httpx.AsyncClient, caller: str) -> int:
        headers = {"content-type": "image/png", "x-api-key": KEYS[caller]}
        return (await client.post("/predict", content=image, headers=headers)).status_code

    async def both(url: str) -> tuple[list[int], list[int]]:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:
            flooding = True

            async def flood() -> list[int]:
                statuses: list[int] = []
                while flooding:
                    statuses.append(await ask(client, "flood"))
                return statuses

            floods = [asyncio.create_task(flood()) for _ in range(24)]
            polite = [await ask(client, "polite") for _ in range(10)]
            flooding = False
            return polite, [status for one in await asyncio.gather(*floods) for status in one]

    with start_service(queue_size=8, api_keys=",".join(KEYS.values()), threads=1) as running:
        polite, flood = asyncio.run(both(running.url))
    assert polite == [200] * 10
    assert set(flood) == {200, 503}


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_address_of_ipv6_counts_by_its_network(host: str, network: str) -> None:
    assert network_of((host, 1)) == network
    assert network_of(None) == ""


def test_the_queue_is_as_long_as_the_deadline_at_the_measured_speed(
    start_service: StartService, picture_of: PictureOf
) -> None:
    """A fixed number refused 256 callers whom it could have answered in time."""
    image = picture_of("red")

    async def all_at_once(url: str) -> list[int]:
        async with httpx.AsyncClient(base_url=url, limits=httpx.Limits(max_connections=300), timeout=60) as client:
            answers = [client.post("/predict", content=image) for _ in range(300)]
            return [answer.status_code for answer in await asyncio.gather(*answers)]

    def limit(running: RunningService) -> float:
        text = running.client.get("/metrics").text
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("imgcls_queue_limit"))

    with start_service(request_timeout_ms=60_000) as running:
        assert limit(running) > 300
        assert asyncio.run(all_at_once(running.url)) == [200] * 300
    with start_service(max_inflight_bytes=200 * 32 * 32 * 3) as running:
        assert limit(running) == 200  # pixels that wait for the network
    with start_service(request_timeout_ms=1) as running:
        assert limit(running) == 128
    with start_service(queue_size=7) as running:
        assert limit(running) == 7


def test_a_slower_network_makes_the_queue_shorter() -> None:
    speed = Speed(layout(), expected_s=0.001)
    bounds = QueueBounds(100, 5000, 10.0)
    assert bounds.images(speed) == 5000
    slow = JobResult(np.zeros(1, np.float32), 0.0, 0.0, 40.0, 1, 1, 1)
    speed.note([slow] * 500)
    assert bounds.images(speed) == 166
    speed.note([slow._replace(inference_ms=4000.0)] * 500)
    assert bounds.images(speed) == 100
    assert bounds.images(Speed(layout())) == 100
