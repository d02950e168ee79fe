"""Measures what many models take, all of them loaded, all mapped, and within a limit of memory.

    python benchmarks/serve/many_models.py MODEL IMAGE

In turn: every model loaded at the start, as without settings; every one asked for once, with room for all
(`IMGCLS_MODELS_MEMORY`), in one process and in two that share `IMGCLS_MODELS_CACHE`; and with room for a quarter, where
each request is for the model that was asked least recently, which has left the memory. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from imgcls_core import ArtifactMetadata
from imgcls_core.artifact.props import parts_of
from imgcls_core.artifact.seal import sealed_artifact
from service_process import Connection, Running, post, service

_DEADLINE_MS = 60_000
# Beside which a request to a model that has left the memory is timed.
_ROUNDS = 3


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("image", type=Path, help="a JPEG")
    parser.add_argument("--models", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "models"
        names = write_models(arguments.model, folder, arguments.models)
        found = asyncio.run(measure(folder, names, arguments.image.read_bytes()))
    document = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg(),
        "model": arguments.model.name,
        "file_mb": round(arguments.model.stat().st_size / 1e6, 1),
        "models": arguments.models,
        **found,
    }
    sys.stdout.write(f"{json.dumps(document, indent=1)}\n")


def write_models(model: Path, folder: Path, count: int) -> list[str]:
    """Writes the artifact so many times, each with a documentation of its own, and so another file; gives the names."""
    folder.mkdir()
    content = model.read_bytes()
    metadata = ArtifactMetadata.from_props(parts_of(content, path=str(model)).props, path=str(model))
    names = [f"m{number:03}" for number in range(count)]
    for number, name in enumerate(names):
        note = f"version {number}".encode()
        doc_string = bytes([0x32, len(note)]) + note
        (folder / f"{name}.onnx").write_bytes(sealed_artifact(content + doc_string, metadata))
    return names


async def measure(folder: Path, names: list[str], image: bytes) -> dict[str, Any]:
    """Measures each way."""
    common: dict[str, object] = {"models_dir": folder, "provider": "cpu"}
    async with service(None, **common) as loaded:
        await all_loaded(loaded, len(names))
        _, all_loaded_memory = await ask_each(loaded, names, image), memory(loaded)
    room = {**common, "models_memory": 10**12, "models_cache": folder.parent / "cache"}
    began_s = time.perf_counter()
    async with AsyncExitStack() as stack:
        mapped = [await stack.enter_async_context(service(None, **room))]
        ready_s = time.perf_counter() - began_s
        first_s = await ask_each(mapped[0], names, image)
        alone = memory(mapped[0])
        sizes = json.loads((await get(mapped[0], "/models"))[1])["models"]
        mapped.append(await stack.enter_async_context(service(None, **room)))
        await ask_each(mapped[1], names, image)
        two = [memory(one) for one in mapped]
    one_bytes = max(one["memory_bytes"] for one in sizes)
    limit = one_bytes * max(2, len(names) // 4)
    async with service(None, **{**room, "models_memory": limit}) as few:
        for _ in range(2):  # the first round looks at each file
            await ask_each(few, names, image)
        away_s = [second for _ in range(_ROUNDS) for second in await ask_each(few, names[1:], image)]
        there_s = [second for _ in away_s for second in await ask_each(few, names[:1], image)]
        within = memory(few)
        metrics = (await get(few, "/metrics"))[1].decode()
    return {
        "all_loaded": all_loaded_memory,
        "all_mapped": alone,
        "all_mapped_by_two_processes": two,
        "room_for_a_quarter": within | {"limit_mb": round(limit / 1e6, 1)},
        "counted_mb_of_one": round(one_bytes / 1e6, 1),
        "ready_s_on_demand": round(ready_s, 2),
        "first_request_to_a_file_s": summary(first_s[1:]),
        "request_to_a_model_that_left_s": summary(away_s),
        "request_to_a_model_in_memory_s": summary(there_s),
        "left_to_in_memory": round(statistics.median(away_s) / statistics.median(there_s), 2),
        "mapped_to_loaded_private": round(alone["private_mb"] / all_loaded_memory["private_mb"], 3),
        "evictions": figure(metrics, "imgcls_model_evictions_total"),
    }


async def get(running: Running, path: str) -> tuple[int, bytes]:
    """Asks by GET on a connection of its own."""
    connection = Connection(running.port)
    answer = await connection.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    connection.close()
    return answer


async def all_loaded(running: Running, count: int) -> None:
    """Waits until all models are loaded."""
    while sum(one["loaded"] for one in json.loads((await get(running, "/models"))[1])["models"]) < count:  # noqa: ASYNC110
        await asyncio.sleep(0.2)


async def ask_each(running: Running, names: list[str], image: bytes) -> list[float]:
    """Asks each model once; gives the seconds of each answer."""
    connection, taken_s = Connection(running.port), list[float]()
    for name in names:
        request = post(image, path=f"/predict?model={name}", X_Request_Timeout_Ms=str(_DEADLINE_MS))
        began_s = time.perf_counter()
        status, body = await connection.send(request)
        taken_s.append(time.perf_counter() - began_s)
        if status != 200:
            raise SystemExit(f"{name}: {status} {body.decode()}")
    connection.close()
    return taken_s


def memory(running: Running) -> dict[str, float]:
    """Gives a process's memory in MB: resident, its share of it, what is its own, and clean pages of files."""
    text = Path(f"/proc/{running.process.pid}/smaps_rollup").read_text(encoding="ascii")
    kb = {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
    private = kb["Private_Clean"] + kb["Private_Dirty"]
    found = {"rss_mb": kb["Rss"], "pss_mb": kb["Pss"], "private_mb": private, "anonymous_mb": kb["Anonymous"]}
    return {name: round(value / 1000, 1) for name, value in found.items()}


def summary(seconds: list[float]) -> dict[str, float]:
    """Gives the median and the largest."""
    return {"median": round(statistics.median(seconds), 4), "most": round(max(seconds), 4)}


def figure(metrics: str, name: str) -> float:
    """Gives a figure of the metrics."""
    return next(float(line.split()[-1]) for line in metrics.splitlines() if line.startswith(f"{name} "))


if __name__ == "__main__":
    main()
