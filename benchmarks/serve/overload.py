"""Offers three times what the service can do, at fixed times, from one address, beside a polite caller from another.

    python benchmarks/serve/overload.py MODEL IMAGES [--times 3] [--seconds 60]

Prints one JSON document and exits with 1 when a promise is broken: what is accepted is answered within its deadline,
the rest is refused at once (p99 under 100 ms), of the processor time that the service gets as much goes into answers as
without the flood (0.95 of it), `/health` takes less than 100 ms, the polite caller is not refused, and a second after
the flood all is as before.
The generator needs processor time too, for bodies of 110 KB much of it, and takes it from the service where both share
the processors: `goodput_share` shows that too, `generator_processors` how much it was before and in the flood.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import sys
import time
from pathlib import Path
from typing import Any

from service_process import Connection, Running, post, service
from stress import closed_loop
from throughput import cpu_s

DEADLINE_MS = 2000
POLITE_PER_S = 4
HEALTH_PER_S = 10
ASK_HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"

Answers = list[tuple[int, float]]


async def timed(connection: Connection, request: bytes, answers: Answers) -> None:
    """Sends one request and notes its status and how long it took in ms."""
    began_s = time.perf_counter()
    status, _ = await connection.send(request)
    answers.append((status, (time.perf_counter() - began_s) * 1000))


async def flood(port: int, requests: list[bytes], *, per_s: float, seconds: float) -> Answers:
    """Sends at fixed times, whatever comes of it."""
    answers: Answers = []
    idle: list[Connection] = []
    open_tasks: set[asyncio.Task[None]] = set()

    async def one(number: int) -> None:
        connection = idle.pop() if idle else Connection(port)
        await timed(connection, requests[number % len(requests)], answers)
        idle.append(connection)

    start_s = time.monotonic()
    for number in range(int(per_s * seconds)):
        await asyncio.sleep(max(0.0, start_s + number / per_s - time.monotonic()))
        task = asyncio.create_task(one(number))
        open_tasks.add(task)
        task.add_done_callback(open_tasks.discard)
    await asyncio.gather(*open_tasks)
    for connection in idle:
        connection.close()
    return answers


async def steady(connection: Connection, requests: list[bytes], *, per_s: float, until: asyncio.Event) -> Answers:
    """Sends one request after the other, at most so many a second."""
    answers: Answers = []
    while not until.is_set():
        began_s = time.monotonic()
        await timed(connection, requests[len(answers) % len(requests)], answers)
        await asyncio.sleep(max(0.0, began_s + 1 / per_s - time.monotonic()))
    connection.close()
    return answers


async def recovery_s(running: Running, requests: list[bytes], *, usual_ms: float) -> float:
    """Gives how long after the flood a request takes no more than twice the usual again."""
    began_s = time.monotonic()
    connection = Connection(running.port)
    answers: Answers = []
    while not answers or answers[-1][0] != 200 or answers[-1][1] > 2 * usual_ms:
        await timed(connection, requests[0], answers)
    connection.close()
    return time.monotonic() - began_s


async def overload(model: Path, images: list[bytes], *, times: float, seconds: float) -> dict[str, Any]:
    """Measures capacity, floods, and measures again."""
    requests = [post(image) for image in images]
    async with service(model, request_timeout_ms=DEADLINE_MS) as running:
        pid = running.process.pid
        usual: Answers = []
        alone = Connection(running.port)
        for number in range(30):
            await timed(alone, requests[number], usual)
        alone.close()
        busy_s, own_s = cpu_s(pid), time.process_time()
        before = await closed_loop(running.port, images, connections=16, seconds=10)
        cpu_per_image_s = (cpu_s(pid) - busy_s) / (before["per_s"] * 10)
        own_before_s, memory = time.process_time() - own_s, [running.rss_mb()]
        is_over = asyncio.Event()
        polite = asyncio.create_task(
            steady(Connection(running.port, address="127.0.0.2"), requests, per_s=POLITE_PER_S, until=is_over)
        )
        health = asyncio.create_task(
            steady(Connection(running.port, address="127.0.0.3"), [ASK_HEALTH], per_s=HEALTH_PER_S, until=is_over)
        )
        busy_s, own_s = cpu_s(pid), time.process_time()
        flooded = await flood(running.port, requests, per_s=times * before["per_s"], seconds=seconds)
        flood_cpu_s, own_flood_s = cpu_s(pid) - busy_s, time.process_time() - own_s
        recovered_s = await recovery_s(running, requests, usual_ms=sorted(took for _, took in usual)[len(usual) // 2])
        is_over.set()
        memory.append(running.rss_mb())
        after = await closed_loop(running.port, images, connections=16, seconds=10)
        polite_answers, health_answers = await polite, await health
    accepted = [took for status, took in [*flooded, *polite_answers] if status == 200]
    refused = [took for status, took in flooded if status == 503]
    result: dict[str, Any] = {
        "capacity_per_s": before["per_s"],
        "offered_per_s": round(times * before["per_s"], 1),
        "flood": dict(collections.Counter(status for status, _ in flooded)),
        "polite": dict(collections.Counter(status for status, _ in polite_answers)),
        "goodput_per_s": round(len(accepted) / seconds, 1),
        "goodput_share": round(len(accepted) / seconds / before["per_s"], 3),
        "goodput_share_of_processor_time": round(len(accepted) * cpu_per_image_s / flood_cpu_s, 3),
        "ms_of_a_processor_for_each_refusal": round(
            (flood_cpu_s - len(accepted) * cpu_per_image_s) / max(1, len(refused)) * 1000, 3
        ),
        "generator_processors": (round(own_before_s / 10, 2), round(own_flood_s / seconds, 2)),
        "accepted_ms_p50_max": (percentile(accepted, 0.5), percentile(accepted, 1)),
        "refused_ms_p50_p99_max": tuple(percentile(refused, share) for share in (0.5, 0.99, 1)),
        "polite_ms_p50_max": tuple(percentile([took for _, took in polite_answers], share) for share in (0.5, 1)),
        "health_ms_p50_p99_max": tuple(
            percentile([took for _, took in health_answers], share) for share in (0.5, 0.99, 1)
        ),
        "recovered_after_s": round(recovered_s, 2),
        "recovered_per_s": after["per_s"],
        "memory_mb": memory,
        "exit_code": running.process.returncode,
    }
    kept = {
        "accepted in time": result["accepted_ms_p50_max"][1] <= DEADLINE_MS,
        "nothing but 200 and 503": set(result["flood"]) <= {200, 503},
        "refused at once": result["refused_ms_p50_p99_max"][1] <= 100,
        "goodput": result["goodput_share_of_processor_time"] >= 0.95,
        "health": result["health_ms_p50_p99_max"][1] <= 100,
        "polite callers answered": result["polite"].get(200, 0) >= 0.99 * len(polite_answers),
        "recovered": recovered_s <= 1,
    }
    return result | {"kept": kept, "ok": all(kept.values())}


def percentile(values: list[float], share: float) -> float:
    """Gives a percentile, rounded."""
    return round(sorted(values)[min(len(values) - 1, int(len(values) * share))], 1) if values else 0.0


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path, help="folder of JPEGs; the first 64 are used")
    parser.add_argument("--times", type=float, default=3)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    images = [file.read_bytes() for file in sorted(arguments.images.glob("*.JPEG"))[:64]]
    result = asyncio.run(overload(arguments.model, images, times=arguments.times, seconds=arguments.seconds))
    sys.stdout.write(json.dumps({"overload": result}, indent=1) + "\n")
    sys.exit(0 if result["ok"] else 1)


if __name__ == "__main__":
    main()
