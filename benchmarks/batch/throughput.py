"""Images/s of `imgcls-batch run` beside the in-process limit, in turns, with the memory of all its processes over time.

Prints one JSON document. The limit is decode, shrink, inference and top-5 of the same images from memory, on all cores,
each thread with one image at a time and a session of one thread. Efficiency compares images/s of the same round; CPU
efficiency compares processor time of one image (limit ÷ the workers'), which other work on the machine disturbs less.
Beside it stands the processor time of the whole command with its start, which does not count Ray's own processes, and
images/s from the first finished shards to the last, which leaves out what starting takes: seconds of a short run.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path
from typing import Any, Final

from imgcls_core import ImageError, ImagePreprocessor, OnnxClassifier
from imgcls_core.cpus import allotted_cpus

SHARD_SIZE: Final = 1_000


def tar_images(pattern: str) -> list[bytes]:
    """Gives the images of tar files."""
    found: list[bytes] = []
    for path in sorted(Path(pattern).parent.glob(Path(pattern).name)):
        with tarfile.open(path) as tar:
            files = (tar.extractfile(member) for member in tar if member.name.lower().endswith((".webp", ".jpeg")))
            found.extend(file.read() for file in files if file is not None)
    return found


def limit(model: Path, images: list[bytes], *, threads: int, seconds: float) -> dict[str, float]:
    """Answers images for so many seconds without any of what a run needs besides."""
    classifier = OnnxClassifier(model, provider="cpu", threads=1)
    preprocess = ImagePreprocessor(classifier.metadata.preprocessing)
    source = itertools.cycle(images)
    counts = [0] * threads
    end_s = time.perf_counter() + seconds

    def work(thread: int) -> None:
        while time.perf_counter() < end_s:
            try:
                pixels = preprocess(next(source))
            except ImageError:
                counts[thread] += 1
                continue
            classifier.top_k(classifier.predict(pixels)[0], 5)
            counts[thread] += 1

    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    done = sum(counts)
    return {
        "images_per_s": round(done / (time.perf_counter() - began_s), 1),
        "cpu_ms_per_image": round((time.process_time() - began_cpu_s) / done * 1000, 3),
    }


def run(source: str, model: Path, output: Path, *options: str) -> dict[str, Any]:
    """Runs the command from the start, and looks at its memory every two seconds."""
    shutil.rmtree(output, ignore_errors=True)
    line = [
        sys.executable,
        "-m",
        "imgcls_batch",
        "run",
        source,
        str(output),
        "--model",
        str(model),
        "--json",
        "--no-report",
    ]
    line += ["--shard-size", str(SHARD_SIZE), *options]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    memory: list[int] = []
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # noqa: S603 - our own
        ended = threading.Event()
        sampler = threading.Thread(target=sample, args=(process.pid, memory, ended))
        sampler.start()
        said, _ = process.communicate()
        ended.set()
        sampler.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    last = json.loads(said.splitlines()[-1])
    all_cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "images": last["images"],
        "elapsed_s": last["elapsed_s"],
        "images_per_s": last["images_per_s"],
        "images_per_s_after_start": rate_after_start(output),
        "cpu_ms_per_image": round(last["cpu_s"] / last["images"] * 1000, 3),
        "cpu_ms_per_image_with_start": None if "--ray" in options else round(all_cpu_s / last["images"] * 1000, 3),
        "memory_mb": memory,
        "bad": last["bad"],
    }


def rate_after_start(output: Path) -> float:
    """Gives images/s between the first shard of each worker and the last shard, by the times of their files."""
    ended_s = sorted(path.stat().st_mtime for path in output.glob("*.parquet"))[allotted_cpus() - 1 :]
    return round((len(ended_s) - 1) * SHARD_SIZE / (ended_s[-1] - ended_s[0]), 2) if len(ended_s) > 1 else 0.0


def sample(pid: int, memory: list[int], ended: threading.Event) -> None:
    """Notes the proportional memory (PSS) of a process and its children, in MB."""
    while not ended.wait(2):
        memory.append(round(sum(pss_kb(one) for one in family(pid)) / 1024))


def family(pid: int) -> list[int]:
    """Gives a process and its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return []
    return [pid, *(one for child in children for one in family(int(child)))]


def pss_kb(pid: int) -> int:
    """Gives the proportional memory of a process."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)


def main() -> None:
    """Measures in turns and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="glob of tar files")
    parser.add_argument("model", type=Path)
    parser.add_argument("scratch", type=Path, help="folder for the output; what is there goes")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=15, help="of the limit, before and after each run")
    parser.add_argument("--ray", action="store_true", help="also on a Ray cluster of two workers on this machine")
    arguments = parser.parse_args()
    images = tar_images(arguments.source)[:10_000]
    cores = allotted_cpus()
    rounds: list[dict[str, Any]] = []
    for _ in range(arguments.rounds):
        found: dict[str, Any] = {}
        measured = [limit(arguments.model, images, threads=cores, seconds=arguments.seconds)]
        engines = {"pool": (), "ray": ("--ray", "local", "--workers", "2")}
        for name in ("pool", "ray") if arguments.ray else ("pool",):
            found[name] = run(arguments.source, arguments.model, arguments.scratch, *engines[name])
            measured.append(limit(arguments.model, images, threads=cores, seconds=arguments.seconds))
            rate = sum(one["images_per_s"] for one in measured[-2:]) / 2
            cpu_ms = sum(one["cpu_ms_per_image"] for one in measured[-2:]) / 2
            found[name]["efficiency"] = round(found[name]["images_per_s"] / rate, 3)
            found[name]["efficiency_after_start"] = round(found[name]["images_per_s_after_start"] / rate, 3)
            found[name]["cpu_efficiency"] = round(cpu_ms / found[name]["cpu_ms_per_image"], 3)
        rounds.append({"limit": measured, **found})
    sys.stdout.write(f"{json.dumps({'cores': cores, 'model': arguments.model.name, 'rounds': rounds})}\n")


if __name__ == "__main__":
    main()
