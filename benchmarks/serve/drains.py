"""Ends the service by SIGTERM under load, again and again, and counts what its callers see.

    python benchmarks/serve/drains.py MODEL IMAGES [--times 50] [--callers 16]

Every second caller makes a connection for each request, the others keep theirs. A caller is done when it is refused.
Prints one JSON document and exits with 1 when a connection that was made got neither an answer nor a refusal of its
request, or the process did not end with 0.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from service_process import Running, post, service

_MOST_S = 60


async def call(port: int, request: bytes, seen: collections.Counter[str], *, keeps: bool) -> None:
    """Asks until nobody listens any more; counts each answer by its status, and whatever else comes."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return
        used = False
        try:
            while True:
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
                await reader.readexactly(int(fields[b"content-length"]))
                seen[head[9:12].decode()] += 1
                used = True
                if not keeps or fields.get(b"connection") == b"close":
                    break
        except (OSError, asyncio.IncompleteReadError) as error:
            # HTTP lets either side end a connection that is idle; one on which nothing was answered yet is not.
            seen[f"{'kept' if used else 'new'} connection: {type(error).__name__}"] += 1
        finally:
            writer.close()


async def drain(running: Running, requests: list[bytes], callers: int, wait_s: float) -> tuple[dict[str, int], float]:
    """Gives what callers saw of one end, and how long it took in seconds."""
    seen: collections.Counter[str] = collections.Counter()
    tasks = [
        asyncio.create_task(call(running.port, requests[number % len(requests)], seen, keeps=number % 2 == 1))
        for number in range(callers)
    ]
    await asyncio.sleep(wait_s)
    running.process.send_signal(signal.SIGTERM)
    began_s = time.perf_counter()
    await asyncio.wait_for(asyncio.gather(*tasks), _MOST_S)
    await asyncio.to_thread(running.process.wait)
    return seen, time.perf_counter() - began_s


async def measure(model: Path, requests: list[bytes], *, times: int, callers: int, seed: int) -> dict[str, Any]:
    """Ends so many services."""
    source = random.Random(seed)  # noqa: S311 - the same moments every time
    total: collections.Counter[str] = collections.Counter()
    took_s: list[float] = []
    exit_codes: collections.Counter[int | None] = collections.Counter()
    for _ in range(times):
        async with service(model) as running:
            seen, one_s = await drain(running, requests, callers, source.uniform(0.2, 0.6))
        total.update(seen)
        took_s.append(one_s)
        exit_codes[running.process.returncode] += 1
    lost = sum(count for kind, count in total.items() if kind.startswith("new"))
    return {
        "times": times,
        "callers": callers,
        "seen": dict(sorted(total.items())),
        "lost_of_new": lost,
        "longest_s": round(max(took_s), 2),
        "exit_codes": dict(exit_codes),
        "ok": not lost and set(exit_codes) == {0},
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path, help="folder of JPEGs; the first 64 are used")
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    requests = [post(file.read_bytes()) for file in sorted(arguments.images.glob("*.JPEG"))[:64]]
    result = asyncio.run(
        measure(arguments.model, requests, times=arguments.times, callers=arguments.callers, seed=arguments.seed)
    )
    sys.stdout.write(json.dumps({"drains": result}, indent=1) + "\n")
    sys.exit(0 if result["ok"] else 1)


if __name__ == "__main__":
    main()
