"""Holds a running service to its promises under hostile input, hot reload and SIGTERM.

Each command starts `imgcls-serve` itself, prints one JSON document and exits with 1 when a promise is broken.
Loads with nothing but the standard library, so that it costs little next to the service.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import io
import json
import math
import random
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from damaged_requests import malformed, mutated
from PIL import Image
from service_process import ADMIN_TOKEN, Connection, post, service


async def closed_loop(port: int, images: list[bytes], *, connections: int, seconds: float) -> dict[str, Any]:
    """So many callers, each with one request after the other."""
    end_s = time.monotonic() + seconds
    statuses: collections.Counter[int] = collections.Counter()
    took_ms: list[float] = []

    async def caller(number: int) -> None:
        connection = Connection(port)
        while time.monotonic() < end_s:
            began_s = time.perf_counter()
            status, _ = await connection.send(post(images[number % len(images)]))
            statuses[status] += 1
            took_ms.append((time.perf_counter() - began_s) * 1000)
            number += 1
        connection.close()

    await asyncio.gather(*(caller(number) for number in range(connections)))
    return {
        "per_s": round(statuses[200] / seconds, 1),
        "statuses": dict(statuses),
        "median_ms": round(statistics.median(took_ms), 1),
    }


def small(image: bytes) -> bytes:
    """Gives a photo as a thumbnail: as easily damaged, and decoded in a twentieth of the time."""
    thumbnail = Image.open(io.BytesIO(image)).convert("RGB")
    thumbnail.thumbnail((160, 160))
    buffer = io.BytesIO()
    thumbnail.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


async def fuzz(model: Path, images: list[bytes], requests: int, most_s: float, seed: int) -> dict[str, Any]:
    """Mutated images and malformed requests; a good image now and then must still be answered.

    Seven of eight photos are thumbnails, so that a run gets through many requests.
    """
    end_s = time.monotonic() + most_s
    source = random.Random(seed)  # noqa: S311 - the same faults every time
    statuses: collections.Counter[str] = collections.Counter()
    good: collections.Counter[int] = collections.Counter()
    numbers = iter(range(requests))
    memory: list[float] = []
    unexpected: list[str] = []
    thumbnails = [small(image) for image in images]
    async with service(model, header_timeout_s=1) as running:

        async def caller() -> None:
            connection = Connection(running.port)
            for number in numbers:
                if time.monotonic() > end_s:
                    break
                image = source.choice(images if source.randrange(8) == 0 else thumbnails)
                request = malformed(source, image) if number % 4 == 0 else post(mutated(source, image))
                try:
                    status, body = await asyncio.wait_for(connection.send(request), 15)
                except TimeoutError:
                    statuses["no answer"] += 1
                    connection.close()
                    continue
                except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                    statuses["closed"] += 1
                    continue
                statuses[str(status)] += 1
                if status >= 500 and not (status in {503, 504} and b'"code":' in body):
                    unexpected.append(f"{status}: {body.decode('utf-8', 'replace')[:300]}")
                if number % 50 == 0:
                    connection.close()
                    good[(await connection.send(post(images[0])))[0]] += 1
                if number % max(1, requests // 200) == 0:
                    memory.append(running.rss_mb())
                if number % 4 == 0:
                    connection.close()
            connection.close()

        await asyncio.gather(*(caller() for _ in range(16)))
        memory.append(running.rss_mb())
    result: dict[str, Any] = {
        "requests": statuses.total(),
        "statuses": dict(sorted(statuses.items())),
        "good_images_between": dict(good),
        "memory_mb": memory,
        "unexpected": unexpected[:5],
        "exit_code": running.process.returncode,
    }
    result["ok"] = not unexpected and set(good) == {200} and running.process.returncode == 0
    return result


async def reload(model: Path, images: list[bytes], times: int) -> dict[str, Any]:
    """Loads the model again and again while callers are served."""
    statuses: collections.Counter[int] = collections.Counter()
    reloads: collections.Counter[int] = collections.Counter()
    memory: list[float] = []
    async with service(model) as running:
        is_over = asyncio.Event()

        async def caller(number: int) -> None:
            connection = Connection(running.port)
            while not is_over.is_set():
                status, _ = await connection.send(post(images[number % len(images)]))
                statuses[status] += 1
                number += 1
            connection.close()

        callers = [asyncio.create_task(caller(number)) for number in range(8)]
        admin = Connection(running.port)
        for number in range(times):
            request = post(b"", path=f"/models/{model.stem}/load", X_API_Key=ADMIN_TOKEN)
            reloads[(await admin.send(request))[0]] += 1
            if number % max(1, times // 10) == 0:
                memory.append(running.rss_mb())
        is_over.set()
        await asyncio.gather(*callers)
        admin.close()
        memory.append(running.rss_mb())
    result: dict[str, Any] = {"reloads": dict(reloads), "statuses": dict(statuses), "memory_mb": memory}
    result["ok"] = set(statuses) == set(reloads) == {200}
    return result


async def drain(model: Path, images: list[bytes], requests: int) -> dict[str, Any]:
    """SIGTERM while so many requests are in flight."""
    async with service(model) as running:
        connections = [Connection(running.port) for _ in range(requests)]
        tasks = [
            asyncio.create_task(one.send(post(images[number % len(images)]))) for number, one in enumerate(connections)
        ]
        watch = Connection(running.port)
        pending = 0
        while pending < requests - 4:
            _, text = await watch.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            pending = sum(
                int(float(line.split()[-1]))
                for line in text.decode().splitlines()
                if line.startswith("imgcls_pending_images{")
            )
            if all(task.done() for task in tasks):
                break
        running.process.send_signal(signal.SIGTERM)
        began_s = time.perf_counter()
        ready, _ = await watch.send(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        exit_code = await asyncio.to_thread(running.process.wait)
        took_s = time.perf_counter() - began_s
    statuses = collections.Counter(one[0] if isinstance(one, tuple) else type(one).__name__ for one in answers)
    result: dict[str, Any] = {
        "pending_at_sigterm": pending,
        "statuses": dict(statuses),
        "ready_after_sigterm": ready,
        "exit_code": exit_code,
        "ended_after_s": round(took_s, 2),
    }
    result["ok"] = statuses == {200: requests} and exit_code == 0 and ready == 503
    return result


def main() -> None:
    """Runs one command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["fuzz", "reload", "drain"])
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path, help="folder of JPEGs; the first 64 are used")
    parser.add_argument("--requests", type=int, help="of fuzz (10,000) or drain (64)")
    parser.add_argument("--most-seconds", type=float, default=math.inf, help="of fuzz; it then sends no more")
    parser.add_argument("--times", type=int, default=100, help="of reload")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    files = sorted(arguments.images.glob("*.JPEG"))[:64]
    images = [file.read_bytes() for file in files]
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / arguments.model.name
        model.write_bytes(arguments.model.read_bytes())
        runs = {
            "fuzz": lambda: fuzz(model, images, arguments.requests or 10_000, arguments.most_seconds, arguments.seed),
            "reload": lambda: reload(model, images, arguments.times),
            "drain": lambda: drain(model, images, arguments.requests or 64),
        }
        result = asyncio.run(runs[arguments.command]())
    sys.stdout.write(json.dumps({arguments.command: result}, indent=1) + "\n")
    sys.exit(0 if result["ok"] else 1)


if __name__ == "__main__":
    main()
