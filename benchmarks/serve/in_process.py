"""The limit that the service is measured against: decode, exact shrink, inference and top-5, without HTTP.

Prints one JSON document. Threads share one single-threaded session and take one image after another, the layout
that is fastest on a CPU (`--threads` of them); `--threads 1` gives the latency of one image. On a GPU batches are
faster (`--provider cuda --batch 32`); `--decode-only` leaves out the network.
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

import numpy as np
from imgcls_core import ImagePreprocessor, OnnxClassifier
from imgcls_core.cpus import allotted_cpus


def measure(
    model: Path,
    images: list[bytes],
    *,
    threads: int,
    seconds: float,
    provider: str = "cpu",
    batch: int = 1,
    decode_only: bool = False,
) -> dict[str, float | int]:
    """Answers images for so many seconds; each thread decodes a batch and has it answered."""
    classifier = OnnxClassifier(model, provider=provider, threads=1)
    preprocess = ImagePreprocessor(classifier.metadata.preprocessing)
    source = itertools.cycle(images)
    took_s: list[float] = []
    end_s = time.perf_counter() + seconds

    def work() -> None:
        while (start_s := time.perf_counter()) < end_s:
            pixels = [preprocess(next(source)) for _ in range(batch)]
            if not decode_only:
                for probabilities in classifier.predict(pixels[0] if batch == 1 else np.stack(pixels)):
                    classifier.top_k(probabilities)
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
        "batch": batch,
        "images_per_s": round(len(took_s) * batch / elapsed_s, 1),
        "cpu_ms_per_image": round((time.process_time() - began_cpu_s) / len(took_s) / batch * 1000, 3),
        "median_ms": round(statistics.median(took_s) * 1000, 2),
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path, help="folder of JPEGs; the first 64 are used")
    parser.add_argument("--threads", type=int, default=allotted_cpus())
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--provider", default="cpu")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--decode-only", action="store_true")
    arguments = parser.parse_args()
    options = vars(arguments)
    folder: Path = options.pop("images")
    files = sorted(path for kind in ("*.JPEG", "*.jpg") for path in folder.glob(kind))[:64]
    result = measure(options.pop("model"), [file.read_bytes() for file in files], **options)
    sys.stdout.write(f"{json.dumps(result)}\n")


if __name__ == "__main__":
    main()
