"""Several processes are one service: one queue, one set of figures, one set of models, one end."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from imgcls_serve.errors import QueueFullError
from imgcls_serve.scheduler.admission import Admission, QueueBounds
from imgcls_serve.scheduler.budget import PixelBudget
from imgcls_serve.scheduler.held_bytes import HeldBytes
from imgcls_serve.scheduler.job import Job
from imgcls_serve.scheduler.speed import Speed
from imgcls_serve.workers.rows import Figure, Rows
from imgcls_serve.workers.seat import SharedCount, WaitingElsewhere
from scheduler_stand_ins import Echo, layout, run
from serve_command import run as run_command

if TYPE_CHECKING:
    from conftest import PictureOf, RunningService, StartService

PNG = {"content-type": "image/png"}
ADMIN = {"x-api-key": "admin-token-1"}


def figures(running: RunningService) -> dict[str, float]:
    with httpx.Client(base_url=running.url, timeout=60) as client:
        lines = client.get("/metrics").text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def all_up(running: RunningService, deaths: int = 0) -> None:
    while (seen := figures(running))["imgcls_workers"] < 2 or seen["imgcls_worker_deaths_total"] < deaths:
        assert running.process.is_alive()


def ask_anew(running: RunningService, path: str, times: int = 6) -> list[httpx.Response]:
    """Asks over connections of their own, which go to both workers in turn."""
    clients = [httpx.Client(base_url=running.url, timeout=60) for _ in range(times)]
    try:
        return [client.get(path) for client in clients]
    finally:
        for client in clients:
            client.close()


def test_figures_are_those_of_all_and_outlive_a_worker_that_dies(
    start_service: StartService, picture_of: PictureOf
) -> None:
    image, answered = picture_of("red"), 'imgcls_predictions_total{class_id="0",label="red",model="colours"}'
    with start_service(workers=2) as running:
        all_up(running)
        clients = [httpx.Client(base_url=running.url, timeout=60) for _ in range(4)]
        assert [one.post("/predict", content=image, headers=PNG).status_code for one in clients * 3] == [200] * 12
        before = figures(running)
        assert before[answered] == before["imgcls_batch_images_sum"] == 12
        assert clients[0].get("/models/colours/drift").json()["since_load"]["answers"] == 12
        assert before["process_resident_memory_bytes"] == pytest.approx(
            clients[0].get("/health").json()["memory"]["process_rss"], rel=0.2
        )
        for client in clients:
            client.close()
        assert running.process.pid is not None
        victim = children(running.process.pid)[0]
        os.kill(victim, signal.SIGKILL)
        all_up(running, deaths=1)
        assert victim not in children(running.process.pid)
        assert figures(running)[answered] == 12
        assert running.predict(image).status_code == 200
        assert figures(running)[answered] == 13
        assert any("has ended with -9; another takes its place" in str(entry["message"]) for entry in running.log)


def test_a_load_reaches_all_or_none(
    start_service: StartService, colours_path: Path, colours_with_reference_path: Path, tmp_path: Path
) -> None:
    def versions(running: RunningService) -> set[str]:
        return {
            json.dumps([[one["name"], one["loaded"], one["default"], one.get("sha256")] for one in reply["models"]])
            for reply in (answer.json() for answer in ask_anew(running, "/models"))
        }

    for name in ("first", "second"):
        shutil.copy(colours_path, tmp_path / f"{name}.onnx")
    with start_service(workers=2, models_dir=tmp_path, admin_token=ADMIN["x-api-key"]) as running:
        all_up(running)
        (before,) = versions(running)
        (tmp_path / "first.onnx").write_bytes(b"no artifact")
        assert running.client.post("/models/first/load", headers=ADMIN).status_code == 422
        assert versions(running) == {before}
        shutil.copy(colours_with_reference_path, tmp_path / "first.onnx")
        assert running.client.post("/models/first/load", headers=ADMIN).status_code == 200
        (after,) = versions(running)
        assert after != before
        assert running.client.post("/models/second/default", headers=ADMIN).status_code == 200
        assert running.client.post("/v2/repository/models/first/unload", headers=ADMIN).status_code == 200
        (left,) = versions(running)
        assert '["first", false, false, null], ["second", true, true' in left
        assert running.process.pid is not None
        os.kill(children(running.process.pid)[0], signal.SIGKILL)  # the one that takes its place has the same models
        all_up(running, deaths=1)
        assert versions(running) == {left}


def test_the_end_answers_everything_accepted(start_service: StartService, picture_of: PictureOf) -> None:
    image = picture_of("yellow", size=(1500, 1500))

    async def burst(url: str, sigterm: Callable[[], None]) -> list[int]:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:
            tasks = [asyncio.create_task(client.post("/predict", content=image, headers=PNG)) for _ in range(32)]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            sigterm()
            return [(await task).status_code for task in tasks]

    with start_service(workers=2, request_timeout_ms=60_000) as running:
        all_up(running)
        statuses = asyncio.run(burst(running.url, running.sigterm))
        assert set(statuses) <= {200, 503}
        assert running.wait(30) == 0
        accepted = [entry for entry in running.log if entry.get("class_id") is not None]
        assert statuses.count(200) == len(accepted) > 1


def test_a_polite_caller_is_answered_while_another_fills_the_queue_of_both(
    start_service: StartService, picture_of: PictureOf
) -> None:
    image, keys = picture_of("red", size=(1500, 1500)), {"flood": "flood-key-1", "polite": "polite-key-1"}

    async def ask(client: httpx.AsyncClient, caller: str) -> int:
        return (await client.post("/predict", content=image, headers=PNG | {"x-api-key": keys[caller]})).status_code

    async def both(url: str) -> tuple[list[int], set[int]]:
        async with httpx.AsyncClient(base_url=url, limits=httpx.Limits(max_connections=100), timeout=60) as client:
            flooding = True

            async def flood() -> set[int]:
                statuses: set[int] = set()
                while flooding:
                    statuses.add(await ask(client, "flood"))
                return statuses

            floods = [asyncio.create_task(flood()) for _ in range(16)]
            polite = [await ask(client, "polite") for _ in range(6)]
            flooding = False
            return polite, set[int]().union(*await asyncio.gather(*floods))

    settings = {"queue_size": 6, "api_keys": ",".join(keys.values()), "request_timeout_ms": 60_000}
    with start_service(workers=2, **settings) as running:
        polite, flood = asyncio.run(both(running.url))
    assert polite == [200] * 6
    assert flood == {200, 503}


def test_what_cannot_be_served_or_listened_on_ends_all(colours_path: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no artifact")
    environment = {"IMGCLS_WORKERS": "2", "IMGCLS_PORT": "0", "PATH": os.environ["PATH"]}
    done = run_command("--model", str(broken), **environment)
    assert done.returncode == 2
    assert "not a model" in done.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run_command("--model", str(colours_path), "--port", port, "--workers", "2", **environment)
    assert done.returncode == 3
    assert "another process has it" in done.stderr


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    return Rows(tmp_path / "rows", 2, create=True)


def test_two_queues_are_one(rows: Rows) -> None:
    """The limit is that of both; whoever has fewer takes a place of whoever has most, in whichever process it waits."""
    told: list[tuple[int, Hashable]] = []

    async def test(loop: asyncio.AbstractEventLoop) -> None:
        def admission(slot: int) -> Admission:
            elsewhere = WaitingElsewhere(rows, slot, lambda other, key: told.append((other, key)))
            return Admission(QueueBounds(4, 4, 0.0), Speed(layout()), lambda: 0, elsewhere)

        def job(caller: str) -> Job:
            return Job(Echo(), b"", loop.create_future(), 0.0, caller=caller, is_counted=True)  # pyright: ignore[reportArgumentType]

        first, second = admission(0), admission(1)
        flood = [job("flood") for _ in range(4)]
        for one in flood[:3]:
            first.add(one)
        second.add(flood[3])
        assert (first.everywhere, second.everywhere) == (4, 4)
        for queue in (first, second):
            with pytest.raises(QueueFullError, match="4 of at most 4"):
                queue.check("flood", 1, left_s=60)
            queue.check("polite", 1, left_s=60)
        assert second.add(job("polite")) is flood[3]
        assert second.add(job("polite")) is None  # no other of the flood waits here
        assert told == [(0, first._elsewhere.key("flood"))]  # pyright: ignore[reportOptionalMemberAccess, reportPrivateUsage]
        assert first.give_way(told[0][1])
        assert isinstance(flood[2].future.exception(), QueueFullError)
        assert isinstance(flood[3].future.exception(), QueueFullError)
        assert (len(first), len(second), second.everywhere) == (2, 2, 4)
        with pytest.raises(QueueFullError):
            second.add(job("polite"))
        rows.clear(0)  # it has died
        second.check("flood", 2, left_s=60)

    run(test)


def test_bytes_and_pixels_are_limited_over_all(rows: Rows) -> None:
    class Body:
        held_bytes, give_way, caller = 0, None, "one"

    first, second = (HeldBytes(100, SharedCount(rows, slot, Figure.HELD_BYTES)) for slot in (0, 1))
    body = Body()
    first.hold(body, 60)
    with pytest.raises(QueueFullError):
        second.hold(Body(), 60)
    first.release(body)
    second.hold(Body(), 40)
    own, other = (PixelBudget(100, SharedCount(rows, slot, Figure.PIXELS)) for slot in (0, 1))
    with own.hold(500):  # one is always decoded
        assert not other._claims(1)  # pyright: ignore[reportPrivateUsage]
    with own.hold(60), other.hold(40):
        assert not own._claims(1)  # pyright: ignore[reportPrivateUsage]
    assert rows.sum(Figure.PIXELS) == 0
