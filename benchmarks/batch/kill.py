"""Kills a run at random moments, starts it again each time, and compares its files with those of an undisturbed run.

Prints one JSON document; exits with 1 when a row is missing, doubled or different.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb


def command(source: str, output: Path, model: Path) -> list[str]:
    """Gives the command line of a run."""
    return [sys.executable, "-m", "imgcls_batch", "run", source, str(output), "--model", str(model), "--json"]


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


def main() -> None:
    """Runs twice, compares and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("model", type=Path)
    parser.add_argument("scratch", type=Path, help="folder for the two outputs; what is there goes")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--longest-s", type=float, default=8)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    shutil.rmtree(arguments.scratch, ignore_errors=True)
    calm, killed = arguments.scratch / "undisturbed", arguments.scratch / "killed"
    began_s = time.perf_counter()
    subprocess.run(command(arguments.source, calm, arguments.model), check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - likewise
    calm_s = time.perf_counter() - began_s
    lived_s = killed_run(
        command(arguments.source, killed, arguments.model),
        killed,
        kills=arguments.kills,
        longest_s=arguments.longest_s,
        moments=random.Random(arguments.seed),  # noqa: S311 - moments, no secrets
    )
    expected, actual = digests(calm), digests(killed)
    files = f"read_parquet('{killed}/*.parquet')"
    (rows, ids, bad), *_ = duckdb.sql(f"SELECT count(*), count(DISTINCT id), count(code) FROM {files}").fetchall()  # noqa: S608
    is_same = expected == actual and rows == ids
    document = {
        "undisturbed_s": round(calm_s, 1),
        "kills": len(lived_s),
        "killed_after_s": lived_s,
        "files": len(actual),
        "files_byte_for_byte_equal": sum(expected.get(name) == digest for name, digest in actual.items()),
        "rows": rows,
        "distinct_ids": ids,
        "rows_with_code": bad,
        "is_same": is_same,
    }
    sys.stdout.write(f"{json.dumps(document)}\n")
    sys.exit(0 if is_same else 1)


if __name__ == "__main__":
    main()
