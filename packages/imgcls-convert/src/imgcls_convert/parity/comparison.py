"""An artifact's answers beside PyTorch's, image by image; nothing is judged here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from imgcls_cli.progress import Progress
from imgcls_core.cpus import allotted_cpus
from imgcls_core.errors import ImageError
from imgcls_core.images.preprocess import ImagePreprocessor
from imgcls_core.inference.classifier import OnnxClassifier
from imgcls_networks.errors import RequestError
from numpy.typing import NDArray

from imgcls_convert.graph.network_input import network_input_of
from imgcls_convert.images.files import LoadedImage
from imgcls_convert.images.selection import ImageSelection, evenly_spread
from imgcls_convert.parity.figures import Figures, ImageComparison

_ASKED_TWICE: Final = 4  # golden images: their own pixels, whose network input is compared for all, go through whole
_BATCH_PIXELS: Final = 16 * 224 * 224  # of the images that the artifact is asked about at once


@dataclass(frozen=True)
class Evidence:
    """What PyTorch says.

    Args:
        images: those of the conversion.
        answers: to `images.compared`, float32 [images, classes].
        exact: answers encoded images in float64, [images, classes]; None where the network cannot.
        rounded: answers them in float32 in several orders of summing.
    """

    images: ImageSelection
    answers: NDArray[np.float32]
    exact: Callable[[Sequence[bytes]], NDArray[np.float64] | None]
    rounded: Callable[[Sequence[bytes]], Iterable[NDArray[np.float32]]]


@dataclass(frozen=True)
class ArtifactComparison:
    """One artifact against PyTorch.

    Args:
        rows: all images, in the order in which they were asked.
        answers: the artifact's to them, float32 [images, classes].
        onnx: the artifact's figures on the images that judge.
        pytorch: PyTorch's own on the same images; only its accuracy says anything.
    """

    rows: Sequence[ImageComparison]
    answers: NDArray[np.float32]
    onnx: Figures
    pytorch: Figures


def compare_with_pytorch(
    evidence: Evidence, artifact: Path, progress: Progress, *, provider: str = "cpu"
) -> ArtifactComparison:
    """Asks the artifact about every image as a service does: shrunk by core, in batches.

    An image of any size must give the same answer. Where the graph's own resize makes the same input of the original
    pixels, bit for bit, the network need not be asked twice; a few golden images are all the same, alone.

    Raises:
        RequestError: an image cannot be read.
    """
    classifier = OnnxClassifier(artifact, provider=provider)
    network_input = network_input_of(artifact)
    preprocess = ImagePreprocessor(classifier.metadata.preprocessing)
    height, width = classifier.metadata.preprocessing.native_size
    size = max(1, _BATCH_PIXELS // (height * width))
    images = evidence.images.compared
    asked_twice = evenly_spread(len(evidence.images.golden), _ASKED_TWICE)

    def prepare(place: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
        try:
            pixels = preprocess.decode(images[place].encoded)
        except ImageError as error:
            raise RequestError(f"{images[place].name!r}: {error}") from error
        shrunk = preprocess.shrink(pixels)
        is_same = place not in asked_twice and np.array_equal(network_input(pixels), network_input(shrunk))
        return shrunk, None if is_same else pixels

    batches = [range(start, min(start + size, len(images))) for start in range(0, len(images), size)]
    answers: list[NDArray[np.float32]] = []
    with ThreadPoolExecutor(allotted_cpus()) as pool:
        for batch in progress.track(batches, "ONNX", len(batches)):
            prepared = [*pool.map(prepare, batch)]
            served = classifier.predict(np.stack([shrunk for shrunk, _ in prepared]))
            for expected, answer, (_, pixels) in zip(evidence.answers[batch], served, prepared, strict=True):
                ways = [answer] if pixels is None else [answer, classifier.predict(pixels)[0]]
                answers.append(max(ways, key=lambda way: float(np.abs(way - expected).max())))
    rows = [_compare_answers(*each) for each in zip(images, evidence.answers, answers, strict=True)]
    scoring = {image.encoded for image in evidence.images.scoring or images}
    scored = [row for image, row in zip(images, rows, strict=True) if image.encoded in scoring]
    ranks = [row.pytorch_rank for row in scored if row.pytorch_rank is not None]
    pytorch = Figures(len(scored), 1.0, 0.0, 0.0, len(ranks), _share(ranks, 1), _share(ranks, 5))
    return ArtifactComparison(rows, np.array(answers), _figures(scored), pytorch)


def _compare_answers(image: LoadedImage, expected: NDArray[np.float32], actual: NDArray[np.float32]) -> ImageComparison:
    """Compares two answers, float32 [classes] each."""
    top, actual_top = int(expected.argmax()), int(actual.argmax())
    return ImageComparison(
        name=image.name,
        class_id=image.class_id,
        pytorch_class_id=top,
        pytorch_probability=float(expected[top]),
        onnx_class_id=actual_top,
        onnx_probability=float(actual[actual_top]),
        max_abs_diff=float(np.abs(actual - expected).max()),
        pytorch_gap=float(expected[top] - expected[actual_top]),
        pytorch_rank=_rank(expected, image.class_id),
        onnx_rank=_rank(actual, image.class_id),
    )


def _figures(rows: Sequence[ImageComparison]) -> Figures:
    ranks = [row.onnx_rank for row in rows if row.onnx_rank is not None]
    distances = [row.max_abs_diff for row in rows]
    return Figures(
        images=len(rows),
        top1_agreement=sum(row.is_same for row in rows) / len(rows),
        max_abs_diff=max(distances),
        mean_abs_diff=sum(distances) / len(rows),
        labelled=len(ranks),
        top1_accuracy=_share(ranks, 1),
        top5_accuracy=_share(ranks, 5),
    )


def _share(ranks: Sequence[int], places: int) -> float | None:
    return sum(rank < places for rank in ranks) / len(ranks) if ranks else None


def _rank(answer: NDArray[np.float32], class_id: int | None) -> int | None:
    if class_id is None:
        return None
    better = answer > answer[class_id]
    ties_before = answer[:class_id] == answer[class_id]
    return int(better.sum() + ties_before.sum())
