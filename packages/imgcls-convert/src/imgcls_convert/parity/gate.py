"""The gate: an artifact's answers beside PyTorch's, image by image, and a refusal where they differ too much."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from imgcls_cli.progress import Progress
from imgcls_core.artifact import GOLDEN_TOLERANCE, ArtifactMetadata, GoldenCase, Parity, Precision, Source
from imgcls_core.cpus import allotted_cpus
from imgcls_core.errors import ImageError
from imgcls_core.images.preprocess import ImagePreprocessor
from imgcls_core.inference.classifier import OnnxClassifier
from imgcls_networks.errors import RequestError
from numpy.typing import NDArray

from imgcls_convert.errors import AgreementError, ConversionError, ParityError
from imgcls_convert.graph.network_input import network_input_of
from imgcls_convert.images.files import LoadedImage
from imgcls_convert.images.selection import ImageSelection
from imgcls_convert.parity.figures import Figures, ImageComparison, PrecisionRow

FP32_TOLERANCE: Final = 1e-5  # max |Δp|; the sample networks stay below 5e-6
# What differs by more may be rounding: PyTorch is asked in float64 about the worst images, and the artifact may be
# this many times as far from that as PyTorch's own float32 is, the farthest of its orders of summing (they differ by
# five times and more), but never so far that golden cases could fail elsewhere.
_ROUNDINGS: Final = 4
_ASKED_EXACTLY: Final = 4  # convolutions in float64 take thirty times as long (ResNet-18: 2 s an image)
_MOST_TOLERANCE: Final = GOLDEN_TOLERANCE["fp32"] * 3 / 4
_ROUNDED: Final = 2e-6  # so near, two probabilities are the same in float32 after a network's sums
_BATCH_PIXELS: Final = 16 * 224 * 224  # of the images that the artifact is asked about at once
# Top-1 agreement with PyTorch below which an artifact is refused, and what its sensitive layers are chosen for.
MIN_AGREEMENT: Final[Mapping[Precision, float]] = {"fp32": 1.0, "fp16": 0.995, "int8": 0.98}


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
    rounded: Callable[[Sequence[bytes]], Sequence[NDArray[np.float32]]]


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
    pixels, bit for bit, the network need not be asked twice; the golden images are all the same.

    Raises:
        RequestError: an image cannot be read.
    """
    classifier = OnnxClassifier(artifact, provider=provider)
    network_input = network_input_of(artifact)
    preprocess = ImagePreprocessor(classifier.metadata.preprocessing)
    height, width = classifier.metadata.preprocessing.native_size
    size = max(1, _BATCH_PIXELS // (height * width))
    images = evidence.images.compared

    def prepare(place: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
        try:
            pixels = preprocess.decode(images[place].encoded)
        except ImageError as error:
            raise RequestError(f"{images[place].name!r}: {error}") from error
        shrunk = preprocess.shrink(pixels)
        is_same = place >= len(evidence.images.golden) and np.array_equal(network_input(pixels), network_input(shrunk))
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


class Gate:
    """Compares artifacts with PyTorch and lets those pass that answer alike.

    Args:
        evidence: what PyTorch says.
        min_agreement: percent of the images that a reduced artifact must name as PyTorch does; None takes
            `MIN_AGREEMENT`.
        progress: shown the progress, told of golden cases that are left out.

    Attributes:
        comparisons: all images of the last artifact, the worst first.
        table: figures of each artifact, without what it costs.
    """

    def __init__(self, evidence: Evidence, min_agreement: float | None, progress: Progress) -> None:
        self._evidence, self._min_agreement, self._progress = evidence, min_agreement, progress
        self.comparisons: Sequence[ImageComparison] = ()
        self.table: list[PrecisionRow] = []

    def admit(
        self,
        artifact: Path,
        metadata: ArtifactMetadata,
        *,
        rank: Callable[[], Sequence[str]],
        doubtful: float = 0.0,
    ) -> ArtifactMetadata:
        """Lets an artifact pass, and says so in its metadata.

        Args:
            artifact: the file, with its golden cases and without a proof.
            metadata: of the file.
            rank: names the layers of a reduced artifact that cost most, for the refusal.
            doubtful: share of images that a second look would take, for the refusal; 0 where it is taken.

        Raises:
            ParityError: float32 differs by more than the tolerance, or in its top-1, on any image; NaN is a difference.
            AgreementError: a reduced artifact names other classes too often, or answers NaN.
            ConversionError: a reduced artifact reproduces no golden case.
        """
        precision = metadata.source.precision
        evidence = self._evidence
        subject, yardstick = "ONNX" if precision == "fp32" else precision, metadata.source.yardstick or "PyTorch"
        self._progress.step(f"Comparing {subject} with {yardstick} on {len(evidence.answers)} images")
        comparison = compare_with_pytorch(evidence, artifact, self._progress)
        self.comparisons = sorted(comparison.rows, key=lambda row: (row.agrees, -row.max_abs_diff))
        self.table.append(PrecisionRow(precision, comparison.onnx, comparison.pytorch))
        if precision == "fp32":
            parity = _check_fp32(evidence, comparison, metadata.source)
            kept = self._without_ties(metadata.golden, comparison.rows)
            parity = msgspec.structs.replace(parity, golden_cases=len(kept))
            return msgspec.structs.replace(metadata, parity=parity, golden=kept)
        figures = comparison.onnx
        bar = MIN_AGREEMENT[precision] if self._min_agreement is None else self._min_agreement / 100
        # Not "<": NaN must not pass.
        if not figures.top1_agreement >= bar or not np.isfinite(figures.max_abs_diff):
            raise AgreementError(
                precision=precision,
                agreement=figures.top1_agreement,
                bar=bar,
                images=figures.images,
                sensitive=[] if figures.top1_agreement >= bar else rank(),
                doubtful=doubtful,
            )
        tolerance = GOLDEN_TOLERANCE[precision]
        kept = _reproduced_golden(metadata, comparison.rows, tolerance)
        proof = Parity(figures.images, figures.max_abs_diff, figures.top1_agreement, tolerance, len(kept))
        if left_out := len(metadata.golden) - len(kept):
            self._progress.note(
                f"golden cases left out because {precision} answers otherwise: {left_out} of {len(metadata.golden)}"
            )
        return msgspec.structs.replace(metadata, parity=proof, golden=kept)

    def _without_ties(self, golden: tuple[GoldenCase, ...], rows: Sequence[ImageComparison]) -> tuple[GoldenCase, ...]:
        """Leaves out what would keep a service on another processor from getting ready: there rounding differs."""
        best = np.sort(self._evidence.answers[: len(golden)], axis=1)[:, -2:]  # [cases, 2]
        is_clear = best[:, -1] - best[:, 0] > _ROUNDED
        kept = tuple(case for case, row, clear in zip(golden, rows, is_clear, strict=False) if clear and row.is_same)
        if not kept or len(kept) == len(golden):
            return golden
        self._progress.note(
            f"golden cases left out because two classes tie: {len(golden) - len(kept)} of {len(golden)}"
        )
        return kept


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


def _check_fp32(evidence: Evidence, comparison: ArtifactComparison, source: Source) -> Parity:
    """Sums up, and refuses an artifact that differs.

    Raises:
        ParityError: |Δp| above the tolerance, or another top-1, on any image; a NaN counts as a difference.
    """
    rows = comparison.rows
    differing = [row for row in rows if not row.agrees]
    order = sorted(range(len(rows)), key=lambda i: (rows[i].agrees, -np.nan_to_num(rows[i].max_abs_diff, nan=np.inf)))
    worst = rows[order[0]]
    tolerance, rounding = FP32_TOLERANCE, None
    if not differing and worst.max_abs_diff > FP32_TOLERANCE:
        # Is that float32's own rounding, which a deep network adds up, or another computation?
        doubtful = order[:_ASKED_EXACTLY]
        asked = [evidence.images.compared[i].encoded for i in doubtful]
        exact = evidence.exact(asked)
        if exact is not None:
            orders = [evidence.answers[doubtful], *evidence.rounded(asked)]
            rounding = max(float(np.abs(order - exact).max()) for order in orders)
            if np.abs(comparison.answers[doubtful] - exact).max() <= _ROUNDINGS * rounding:
                tolerance = max(FP32_TOLERANCE, min(_ROUNDINGS * rounding, _MOST_TOLERANCE))
    if differing or not worst.max_abs_diff <= tolerance:
        raise ParityError(
            image=worst.name,
            max_abs_diff=worst.max_abs_diff,
            tolerance=tolerance,
            rounding=rounding,
            pytorch_class_id=worst.pytorch_class_id,
            onnx_class_id=worst.onnx_class_id,
            disagreeing=len(differing),
            images=len(rows),
            yardstick=source.yardstick or "PyTorch",
        )
    return Parity(len(rows), worst.max_abs_diff, sum(row.is_same for row in rows) / len(rows), tolerance)


def _reproduced_golden(
    metadata: ArtifactMetadata, rows: Sequence[ImageComparison], tolerance: float
) -> tuple[GoldenCase, ...]:
    """Gives the golden cases that this precision answers alike: a service would never get ready with the others."""
    kept = tuple(
        case for case, row in zip(metadata.golden, rows, strict=False) if row.is_same and row.max_abs_diff <= tolerance
    )
    if not kept:
        raise ConversionError(
            f"{metadata.source.precision} reproduces none of the {len(metadata.golden)} golden answers; "
            "give photos with `--golden`, or take another precision."
        )
    return kept
