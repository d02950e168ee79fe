"""How fast two artifacts are on this machine, as a ratio: absolute times say nothing elsewhere."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from imgcls_core.inference.classifier import OnnxClassifier

from imgcls_convert.parity.figures import PrecisionRow

_ROUNDS: Final = 25


def with_costs(table: Sequence[PrecisionRow], paths: Sequence[Path]) -> list[PrecisionRow]:
    """Adds what each artifact costs: bytes, and its median time for one image at native size; they take turns.

    Args:
        table: one row for each artifact, the one that the others are compared with first.
        paths: of the artifacts.
    """
    table = [replace(row, size_bytes=path.stat().st_size) for row, path in zip(table, paths, strict=True)]
    if len(table) < 2:
        return table
    classifiers = [OnnxClassifier(path, provider="cpu") for path in paths]
    height, width = classifiers[0].metadata.preprocessing.native_size
    image = np.random.default_rng(20180).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    times: list[list[float]] = [[] for _ in paths]
    for _ in range(_ROUNDS):
        for classifier, seen in zip(classifiers, times, strict=True):
            start = time.perf_counter()
            classifier.predict(image)
            seen.append((time.perf_counter() - start) * 1000)
    ms = [statistics.median(seen) for seen in times]
    return [replace(row, ms_per_image=own, speed_ratio=ms[0] / own) for row, own in zip(table, ms, strict=True)]
