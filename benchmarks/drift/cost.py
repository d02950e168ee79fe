"""What counting answers costs an image, in this process and in µs of CPU; prints one JSON document.

uv run python benchmarks/drift/cost.py
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np
from imgcls_core.artifact.answer_bins import reference_distribution
from imgcls_core.artifact.drift import drift_figures
from imgcls_serve.observing.counters import AnswerCounters

ROUNDS, CALLS = 7, 3200
SHAPES = ((1, 8), (1, 100), (1, 1000), (32, 1000))


def main() -> None:
    """Measures and prints."""
    dice = np.random.default_rng(0)
    result: dict[str, float] = {}
    for images, classes in SHAPES:
        answers = dice.dirichlet(np.full(classes, 0.05), size=images).astype(np.float32)
        counters = AnswerCounters(classes, window_s=3600)
        best_s = min(_cpu_s(lambda: counters.add(answers), CALLS) for _ in range(ROUNDS))  # noqa: B023 - runs at once
        result[f"batch of {images}, {classes} classes, µs an image"] = round(best_s / images * 1e6, 2)
    many = dice.dirichlet(np.full(1000, 0.05), size=5000).astype(np.float32)
    reference, counters = reference_distribution(many), AnswerCounters(1000, window_s=3600)
    counters.add(many[:500])
    best_s = min(_cpu_s(lambda: drift_figures(counters.window(), reference), 300) for _ in range(ROUNDS))
    result["a scrape, 1000 classes, µs"] = round(best_s * 1e6, 1)
    sys.stdout.write(json.dumps(result, indent=2, ensure_ascii=False) + "\n")


def _cpu_s(work: Callable[[], object], calls: int) -> float:
    started_s = time.process_time()
    for _ in range(calls):
        work()
    return (time.process_time() - started_s) / calls


if __name__ == "__main__":
    main()
