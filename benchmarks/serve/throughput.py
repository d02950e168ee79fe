"""Measures the service beside the in-process limit, in turns, and prints one JSON document.

Starts `imgcls-serve` itself; needs `wrk`. Each round measures the limit, then 1, 8 and 32 connections, so that a
machine whose speed moves moves both. Efficiency is the median over rounds of requests/s ÷ limit of the same round;
CPU efficiency compares processor time per image instead, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CONNECTIONS = (1, 8, 32)


def limit(model: Path, images: Path, seconds: float, *options: str) -> dict[str, Any]:
    """Runs `in_process.py` in a process of its own."""
    command = [sys.executable, str(HERE / "in_process.py"), str(model), str(images), "--seconds", str(seconds)]
    command += options
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)  # noqa: S603


def wrk(url: str, connections: int, seconds: float, listing: str, *, form: str | None = None) -> dict[str, Any]:
    """Runs wrk and reads the line of JSON of `images.lua`; images are sent in this field of a form, or bare."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "30s"]
    command += ["-s", str(HERE / "images.lua"), url]
    environment = os.environ | {"IMAGES": listing, "IMAGES_FORM": form or ""}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)  # noqa: S603
    return json.loads(done.stdout.splitlines()[-1])


def cpu_s(pid: int) -> float:
    """Gives the processor time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_ready(url: str) -> None:
    """Waits until the service answers images."""
    until_s = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"{url}/ready", timeout=5).close()  # noqa: S310
        except OSError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.02)
        else:
            return


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path, help="folder of JPEGs; the first 64 are used")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8)
    arguments = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        listing = Path(folder) / "images.txt"
        files = sorted(arguments.images.resolve().glob("*.JPEG"))[:64]
        listing.write_text("".join(f"{file}\n" for file in files), encoding="utf-8")
        command = [sys.executable, "-m", "imgcls_serve", "--model", str(arguments.model), "--port", str(port)]
        began_s = time.monotonic()
        with (Path(folder) / "log").open("w") as log, subprocess.Popen(command, stdout=log) as service:  # noqa: S603
            wait_ready(url)
            ready_s = time.monotonic() - began_s
            for _ in range(arguments.rounds):
                one: dict[str, Any] = {"limit": limit(arguments.model, arguments.images, arguments.seconds)}
                one["alone"] = limit(arguments.model, arguments.images, arguments.seconds / 2, "--threads", "1")
                for connections in CONNECTIONS:
                    before_s = cpu_s(service.pid)
                    found = wrk(url, connections, arguments.seconds, str(listing))
                    found["cpu_ms_per_image"] = round((cpu_s(service.pid) - before_s) / found["requests"] * 1000, 3)
                    one[f"c{connections}"] = found
                one["limit_after"] = limit(arguments.model, arguments.images, arguments.seconds)
                rounds.append(one)
            service.terminate()
            exit_code = service.wait()
    summary: dict[str, Any] = {"ready_after_s": round(ready_s, 2), "exit_code": exit_code}
    for name in [f"c{connections}" for connections in CONNECTIONS[1:]]:
        limits = [(one["limit"]["images_per_s"] + one["limit_after"]["images_per_s"]) / 2 for one in rounds]
        shares = [one[name]["requests_per_s"] / at for one, at in zip(rounds, limits, strict=True)]
        summary[f"efficiency_{name}"] = round(statistics.median(shares), 3)
        cpu = [(one["limit"]["cpu_ms_per_image"] + one["limit_after"]["cpu_ms_per_image"]) / 2 for one in rounds]
        shares = [at / one[name]["cpu_ms_per_image"] for one, at in zip(rounds, cpu, strict=True)]
        summary[f"cpu_efficiency_{name}"] = round(statistics.median(shares), 3)
    ratio = statistics.median(one["c32"]["p99_ms"] / one["c32"]["p50_ms"] for one in rounds)
    summary["p99_over_p50_c32"] = round(ratio, 2)
    summary["c1_p50_minus_in_process_ms"] = round(
        statistics.median(one["c1"]["p50_ms"] - one["alone"]["median_ms"] for one in rounds), 2
    )
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "machine": platform.machine()}
    sys.stdout.write(json.dumps({"machine": machine, "summary": summary, "rounds": rounds}, indent=1) + "\n")


if __name__ == "__main__":
    main()
