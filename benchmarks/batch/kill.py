"""Kills a run at random moments, starts it again each time, and compares its files with those of an undisturbed run.

With `--ray-nodes` nothing is started again: the second run is one command on a Ray cluster of so many nodes on
loopback, one of which is killed when a third of the files are there.

Prints one JSON document, with the memory of all processes of the undisturbed run every two seconds; exits with 1 when
a row is missing, doubled or different. Options that it does not know go to `imgcls-batch run`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import duckdb
from archive import SILENT_PORT
from throughput import sample


def calm_run(line: list[str]) -> list[int]:
    """Runs undisturbed; gives the memory of all processes in MB, every two seconds."""
    memory: list[int] = []
    ended = threading.Event()
    with subprocess.Popen(line, stdout=subprocess.DEVNULL) as process:  # noqa: S603 - our own command
        sampler = threading.Thread(target=sample, args=(process.pid, memory, ended))
        sampler.start()
        code = process.wait()
        ended.set()
        sampler.join()
    if code != 0:
        raise SystemExit(f"the run ended with {code}")
    return memory


def digests(output: Path) -> dict[str, str]:
    """Gives the SHA-256 of each file of rows."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(output.glob("*.parquet"))}


def killed_run(line: list[str], output: Path, *, kills: int, longest_s: float, moments: random.Random) -> list[float]:
    """Runs to the end over so many SIGKILLs, each after a random time; gives these times."""
    lived_s: list[float] = []
    while True:
        began_s = time.perf_counter()
        with subprocess.Popen(line, stdout=subprocess.DEVNULL) as process:  # noqa: S603 - our own command
            limit = moments.uniform(0.2, longest_s) if len(lived_s) < kills else None
            try:
                code = process.wait(limit)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                lived_s.append(round(time.perf_counter() - began_s, 2))
                continue
        if code != 0:
            raise SystemExit(f"the run ended with {code}")
        if len(lived_s) >= kills:
            return lived_s
        # It was through before its time: some of its files go, so that there is something to disturb.
        for path in sorted(output.glob("*.parquet"))[::2]:
            path.unlink()


def run_with_dead_node(line: list[str], output: Path, *, nodes: int, files: int) -> list[float]:
    """Runs once on a Ray cluster that loses a node; gives the time of its end, in seconds after the start."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - comes with imgcls-batch[ray]

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        others = [cluster.add_node(num_cpus=1) for _ in range(nodes - 1)]
        cluster.wait_for_nodes()
        began_s = time.perf_counter()
        with subprocess.Popen([*line, "--ray", cluster.address], stdout=subprocess.DEVNULL) as process:  # noqa: S603
            while process.poll() is None and len(list(output.glob("*.parquet"))) < files / 3:
                time.sleep(0.05)
            if process.poll() is not None:
                raise SystemExit(f"the run ended with {process.returncode} before a node was killed")
            cluster.remove_node(others[-1], allow_graceful=False)
            killed_s = round(time.perf_counter() - began_s, 2)
            if code := process.wait():
                raise SystemExit(f"the run ended with {code}")
    finally:
        cluster.shutdown()
    return [killed_s]


def main() -> None:
    """Runs twice, compares and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("model", type=Path)
    parser.add_argument("scratch", type=Path, help="folder for the two outputs; what is there goes")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--longest-s", type=float, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ray-nodes", type=int, help="kill one of so many nodes of a Ray cluster, once")
    arguments, options = parser.parse_known_args()
    shutil.rmtree(arguments.scratch, ignore_errors=True)
    calm, killed = arguments.scratch / "undisturbed", arguments.scratch / "killed"
    line = [sys.executable, "-m", "imgcls_batch", "run", arguments.source]
    after = ["--model", str(arguments.model), "--json", *options]
    # Whoever connects waits for ever: nobody accepts.
    silent = socket.socket()
    with suppress(OSError):  # of another run beside this one, whose silence does as well
        silent = socket.create_server(("127.0.0.1", SILENT_PORT), backlog=1_000)
    began_s = time.perf_counter()
    memory = calm_run([*line, str(calm), *after])
    calm_s = time.perf_counter() - began_s
    began_s = time.perf_counter()
    line = [*line, str(killed), *after]
    if arguments.ray_nodes is not None:
        lived_s = run_with_dead_node(line, killed, nodes=arguments.ray_nodes, files=len(digests(calm)))
    else:
        moments = random.Random(arguments.seed)  # noqa: S311 - moments, no secrets
        lived_s = killed_run(line, killed, kills=arguments.kills, longest_s=arguments.longest_s, moments=moments)
    disturbed_s = time.perf_counter() - began_s
    silent.close()
    expected, actual = digests(calm), digests(killed)
    files = f"read_parquet('{killed}/*.parquet')"
    (rows, ids), *_ = duckdb.sql(f"SELECT count(*), count(DISTINCT id) FROM {files}").fetchall()  # noqa: S608
    codes = duckdb.sql(f"SELECT code, count(*) FROM {files} GROUP BY code ORDER BY code").fetchall()  # noqa: S608
    is_same = expected == actual and rows == ids
    document = {
        "model": arguments.model.name,
        "undisturbed_s": round(calm_s, 1),
        "disturbed_s": round(disturbed_s, 1),
        "ray_nodes": arguments.ray_nodes,
        "memory_mb": memory,
        "kills": len(lived_s),
        "killed_after_s": lived_s,
        "files": len(actual),
        "files_byte_for_byte_equal": sum(expected.get(name) == digest for name, digest in actual.items()),
        "rows": rows,
        "distinct_ids": ids,
        "rows_by_code": {code or "answered": count for code, count in codes},
        "is_same": is_same,
    }
    sys.stdout.write(f"{json.dumps(document)}\n")
    sys.exit(0 if is_same else 1)


if __name__ == "__main__":
    main()
