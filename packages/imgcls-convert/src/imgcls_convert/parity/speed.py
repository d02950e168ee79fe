"""How fast two artifacts are on this machine, as a ratio: absolute times say nothing elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import numpy as np
from imgcls_core.images.preprocess import ImagePreprocessor
from imgcls_core.inference.classifier import OnnxClassifier

from imgcls_convert.images.files import LoadedImage
from imgcls_convert.parity.figures import PrecisionRow

_FEWEST, _MOST = 25, 100  # rounds
_SECONDS: Final = 5.0


def with_costs(
    table: Sequence[PrecisionRow], paths: Sequence[Path], images: Sequence[LoadedImage]
) -> list[PrecisionRow]:
    """Adds what each artifact costs: bytes, and the mean time of a core for one image at native size; they take turns.

    The mean over the images that judge, because some may cost more than others; the time of one core, because that of
    a clock tells what else the machine does.

    Args:
        table: one row for each artifact, the one that the others are compared with first.
        paths: of the artifacts.
        images: they have been decoded before, so they can be.
    """
    table = [replace(row, size_bytes=path.stat().st_size) for row, path in zip(table, paths, strict=True)]
    if len(table) < 2:
        return table
    classifiers = [OnnxClassifier(path, provider="cpu", threads=1) for path in paths]
    preprocess = ImagePreprocessor(classifiers[0].metadata.preprocessing)
    spread = np.linspace(0, len(images) - 1, min(len(images), _MOST)).round().astype(int)
    prepared = [preprocess(images[place].encoded)[None] for place in spread]
    for classifier in classifiers:
        classifier.predict(prepared[0])
    times: list[list[float]] = [[] for _ in paths]
    begun = time.perf_counter()
    for done, image in enumerate(islice(cycle(prepared), max(_FEWEST, len(prepared)))):
        if done >= _FEWEST and time.perf_counter() - begun > _SECONDS:
            break
        for classifier, seen in zip(classifiers, times, strict=True):
            start = time.thread_time()
            classifier.predict(image)
            seen.append((time.thread_time() - start) * 1000)
    ms = [sum(seen) / len(seen) for seen in times]
    return [replace(row, ms_per_image=own, speed_ratio=ms[0] / own) for row, own in zip(table, ms, strict=True)]
