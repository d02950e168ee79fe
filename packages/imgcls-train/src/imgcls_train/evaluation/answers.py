"""A model's answers to every image of a split, with the classes that the images are labelled with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from imgcls_cli.progress import Progress
from imgcls_core.artifact import ClassInfo
from imgcls_core.cpus import allotted_cpus
from imgcls_core.errors import ImageError
from numpy.typing import NDArray

from imgcls_train.data.split import Split
from imgcls_train.errors import DatasetError
from imgcls_train.evaluation.class_matching import match_classes
from imgcls_train.evaluation.evaluated_model import EvaluatedModel


@dataclass(frozen=True)
class SplitAnswers:
    """What was asked and answered, in the split's order.

    Args:
        names: of the images.
        expected: the model's class ids that the images are labelled with, int [N].
        log_probabilities: before any temperature of the card, float32 [N, classes].
    """

    names: Sequence[str]
    expected: NDArray[np.intp]
    log_probabilities: NDArray[np.float32]


def answer_split(model: EvaluatedModel, split: Split, classes: Sequence[ClassInfo], progress: Progress) -> SplitAnswers:
    """Asks the model about every image of a split.

    Args:
        model: whom to ask.
        split: the images.
        classes: of the dataset, in order of its class index; they are matched to the model's.
        progress: shows how far it is.

    Raises:
        DatasetError: a class that the model does not know, or an image that cannot be read.
    """
    own_ids = np.array(match_classes(classes, split.class_names, model.classes), dtype=np.intp)
    samples = split.samples
    progress.step(f"Asking {model.name} about {len(samples):,} images")
    with ThreadPoolExecutor(allotted_cpus()) as pool:

        def prepare(index: int) -> Any:  # noqa: ANN401 - pixels of the engine's own kind
            try:
                return model.prepare(split.read(index))
            except ImageError as error:
                raise DatasetError(
                    f"The {split.name!r} image {samples[index].name!r} cannot be used: {error} "
                    "`imgcls-train data` lists every damaged file."
                ) from error

        batches = list(_batches(len(samples), model.batch))
        rows = [
            model.log_probabilities(list(pool.map(prepare, batch)))
            for batch in progress.track(batches, "Images", len(batches))
        ]
    return SplitAnswers(
        [sample.name for sample in samples],
        own_ids[[sample.class_index for sample in samples]],
        np.concatenate(rows),
    )


def _batches(count: int, size: int) -> Iterator[range]:
    return (range(start, min(start + size, count)) for start in range(0, count, size))
