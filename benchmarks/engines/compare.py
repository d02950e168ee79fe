"""Measures ONNX Runtime beside OpenVINO on artifacts, in one process, image by image in turns.

    python benchmarks/engines/compare.py ARTIFACT… [--bf16]

One thread each, images at native size, so that the network and what stands before it in the graph are all there is.
Processor time beside wall time: the first can be told on a busy machine too. Prints one JSON document with the
processor's kind: for each artifact and provider the least and median times, the ratio to ONNX Runtime, and how far the
golden answers are from the recorded ones.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from imgcls_core import OnnxClassifier, ProviderUnavailableError
from imgcls_core.cpus import allotted_cpus, processor_kind

_CLOCKS: dict[str, Callable[[], float]] = {"cpu_ms": time.process_time, "wall_ms": time.perf_counter}


def compare(path: Path, providers: list[str], rounds: int) -> dict[str, object]:
    """Gives the figures of one artifact."""
    classifiers: dict[str, OnnxClassifier] = {}
    refused: dict[str, str] = {}
    for provider in providers:
        try:
            classifier = OnnxClassifier(path, provider=provider, threads=1)
            classifiers[classifier.provider] = classifier
        except ProviderUnavailableError as error:
            refused[provider] = error.reason
    size = classifiers["cpu"].metadata.preprocessing.native_size
    images = np.random.default_rng(0).integers(0, 256, (rounds, *size, 3), dtype=np.uint8)
    taken: dict[str, dict[str, list[float]]] = {name: {clock: [] for clock in _CLOCKS} for name in classifiers}
    for image in images:
        for name, classifier in classifiers.items():
            began = {clock: read() for clock, read in _CLOCKS.items()}
            classifier.predict(image)
            for clock, read in _CLOCKS.items():
                taken[name][clock].append((read() - began[clock]) * 1000)
    answered = {}
    for name, classifier in classifiers.items():
        results, tolerance = classifier.replay_golden(), classifier.metadata.golden_tolerance
        answered[name] = {
            "golden": f"{sum(one.passes(tolerance) for one in results)} of {len(results)}",
            "same_class": sum(one.expected_class_id == one.actual_class_id for one in results),
            "max_abs_diff": max(one.max_abs_diff for one in results),
            "tolerance": tolerance,
        }
    least = {name: min(times["cpu_ms"]) for name, times in taken.items()}
    return {
        "artifact": path.name,
        "precision": classifiers["cpu"].metadata.source.precision,
        "least": {n: {clock: round(min(all_), 3) for clock, all_ in times.items()} for n, times in taken.items()},
        "median": {
            n: {clock: round(statistics.median(all_), 3) for clock, all_ in times.items()} for n, times in taken.items()
        },
        "cpu_time_to_onnxruntime": {name: round(value / least["cpu"], 3) for name, value in least.items()},
        "answers": answered,
        "refused": refused,
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("artifacts", nargs="+", type=Path)
    parser.add_argument("--bf16", action="store_true", help="OpenVINO in bf16 too, where the processor has it")
    parser.add_argument("--rounds", type=int, default=60)
    arguments = parser.parse_args()
    kind = processor_kind()
    document = {
        "processor": kind.split("\n")[1],
        "has": [
            one for one in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16") if one in kind
        ],
        "cores": allotted_cpus(),
        "versions": {name: version(name) for name in ("onnxruntime-gpu", "openvino")},
        "artifacts": [
            compare(
                path,
                ["cpu", "openvino", *(("openvino-bf16", "openvino-int8-bf16") if arguments.bf16 else ())],
                arguments.rounds,
            )
            for path in arguments.artifacts
        ],
    }
    sys.stdout.write(f"{json.dumps(document, indent=1)}\n")


if __name__ == "__main__":
    main()
