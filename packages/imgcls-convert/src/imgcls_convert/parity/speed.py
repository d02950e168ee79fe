"""How fast two artifacts are on this machine, as a ratio: absolute times say nothing elsewhere."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Final

import numpy as np
from imgcls_core.inference.classifier import OnnxClassifier

_ROUNDS: Final = 25


def milliseconds_per_image(paths: list[Path]) -> list[float]:
    """Gives each artifact's median time for one image at native size on the CPU; they take turns."""
    classifiers = [OnnxClassifier(path, provider="cpu") for path in paths]
    height, width = classifiers[0].metadata.preprocessing.native_size
    image = np.random.default_rng(20180).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    times: list[list[float]] = [[] for _ in paths]
    for _ in range(_ROUNDS):
        for classifier, seen in zip(classifiers, times, strict=True):
            start = time.perf_counter()
            classifier.predict(image)
            seen.append((time.perf_counter() - start) * 1000)
    return [statistics.median(seen) for seen in times]
