"""The limit that the service is measured against: decode, exact shrink, inference and top-5, without HTTP.

Prints one JSON document. Threads share one single-threaded session and take one image after another, the layout
that is fastest on a CPU (`--threads` of them); `--threads 1` gives the latency of one image.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import threading
import time
from pathlib import Path

from imgcls_core import ImagePreprocessor, OnnxClassifier
from imgcls_core.cpus import allotted_cpus


def measure(model: Path, images: list[bytes], *, threads: int, seconds: float) -> dict[str, float | int]:
    """Answers images for so many seconds."""
    classifier = OnnxClassifier(model, provider="cpu", threads=1)
    preprocess = ImagePreprocessor(classifier.metadata.preprocessing)
    source = itertools.cycle(images)
    took_s: list[float] = []
    end_s = time.perf_counter() + seconds

    def work() -> None:
        while (start_s := time.perf_counter()) < end_s:
            probabilities = classifier.predict(preprocess(next(source)))
            classifier.top_k(probabilities[0], 5)
            took_s.append(time.perf_counter() - start_s)

    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    elapsed_s = time.perf_counter() - began_s
    return {
        "threads": threads,
        "images_per_s": round(len(took_s) / elapsed_s, 1),
        "cpu_ms_per_image": round((time.process_time() - began_cpu_s) / len(took_s) * 1000, 3),
        "median_ms": round(statistics.median(took_s) * 1000, 2),
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path, help="folder of JPEGs; the first 64 are used")
    parser.add_argument("--threads", type=int, default=allotted_cpus())
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    files = sorted(arguments.images.glob("*.JPEG"))[:64]
    images = [file.read_bytes() for file in files]
    result = measure(arguments.model, images, threads=arguments.threads, seconds=arguments.seconds)
    sys.stdout.write(f"{json.dumps(result)}\n")


if __name__ == "__main__":
    main()
