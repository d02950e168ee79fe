"""The service on the provider: callers, start, memory."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SERVE = Path(__file__).parents[1] / "serve"
sys.path.insert(0, str(SERVE))

from service_process import post, service  # noqa: E402 - of the folder beside
from start import first_answer_s, free_port  # noqa: E402
from throughput import cpu_s, limit, wrk  # noqa: E402

__all__ = ["gpu_memory_mb", "limit", "measure"]


def measure(artifact: Path, photos: list[Path], *, callers: list[int], seconds: int, starts: int) -> dict[str, Any]:
    """Measures requests/s and latency for each number of callers, then process to first answer."""
    found = asyncio.run(_load(artifact, photos, callers, seconds))
    command = [sys.executable, "-m", "imgcls_serve", "--model", str(artifact)]
    request = post(photos[0].read_bytes())
    found["cold_start_s"] = [round(first_answer_s(command, free_port(), request), 2) for _ in range(starts)]
    return found


def gpu_memory_mb() -> float | None:
    """Gives the GPU's memory in use in MB; None where there is no GPU."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return float(done.stdout.splitlines()[0])


async def _load(artifact: Path, photos: list[Path], callers: list[int], seconds: int) -> dict[str, Any]:
    before_mb = gpu_memory_mb()
    loads: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        listing = Path(folder) / "images.txt"
        listing.write_text("".join(f"{path.resolve()}\n" for path in photos), encoding="utf-8")
        # Nobody is refused: what 128 callers get is asked for, not what the queue keeps away.
        async with service(artifact, queue_size=4 * max(callers)) as running:
            url, pid = f"http://127.0.0.1:{running.port}", running.process.pid
            await asyncio.to_thread(wrk, url, callers[-1], min(seconds, 2), str(listing))
            for number in callers:
                began_s = cpu_s(pid)
                one = await asyncio.to_thread(wrk, url, number, seconds, str(listing))
                one["cpu_ms_per_image"] = round((cpu_s(pid) - began_s) / max(1, one["requests"]) * 1000, 3)
                loads.append({"callers": number, **one})
            memory_mb, after_mb = running.rss_mb(), gpu_memory_mb()
    gpu_mb = None if before_mb is None or after_mb is None else after_mb - before_mb
    return {"loads": loads, "memory_mb": memory_mb, "gpu_memory_mb": gpu_mb}
