"""The gate: an artifact's answers beside PyTorch's, image by image, and a refusal where they differ too much."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from imgcls_cli.progress import Progress
from imgcls_contract import Counterfactual
from imgcls_core.artifact import GOLDEN_TOLERANCE, ArtifactMetadata, GoldenCase, Parity, Precision
from imgcls_core.errors import ImageError
from imgcls_core.images.preprocess import ImagePreprocessor
from imgcls_core.inference.classifier import OnnxClassifier
from imgcls_networks.errors import RequestError
from numpy.typing import NDArray

from imgcls_convert.errors import AgreementError, ConversionError, ParityError
from imgcls_convert.images.files import LoadedImage
from imgcls_convert.images.selection import ImageSelection

FP32_TOLERANCE: Final = 1e-5  # max |Δp|; the sample networks stay below 5e-6
# Top-1 agreement with PyTorch below which an artifact is refused, and what its sensitive layers are chosen for.
MIN_AGREEMENT: Final[Mapping[Precision, float]] = {"fp32": 1.0, "fp16": 0.995, "int8": 0.98}


@dataclass(frozen=True)
class Evidence:
    """What PyTorch says.

    Args:
        images: those of the conversion.
        answers: float32 [classes] to each of `images.compared`.
        counterfactuals: what it would answer to each of `images.golden` under each fault that changes the answer.
        calibration: each of `images.calibration` as the network takes it, float32 [1, 3, height, width].
    """

    images: ImageSelection
    answers: Sequence[NDArray[np.float32]]
    counterfactuals: Sequence[tuple[Counterfactual, ...]] = ()
    calibration: Sequence[NDArray[np.float32]] = ()


@dataclass(frozen=True)
class ImageComparison:
    """Both answers to one image; `max_abs_diff` is the largest |Δp| over all classes, the worse of the two ways.

    The ranks are places of the labelled class in each answer, 0 for the most probable; None without a label.
    """

    name: str
    class_id: int | None
    pytorch_class_id: int
    pytorch_probability: float
    onnx_class_id: int
    onnx_probability: float
    max_abs_diff: float
    pytorch_rank: int | None = None
    onnx_rank: int | None = None

    @property
    def agrees(self) -> bool:
        """Whether both name the same class."""
        return self.pytorch_class_id == self.onnx_class_id


@dataclass(frozen=True)
class Figures:
    """One artifact against PyTorch on some images.

    Args:
        images: how many.
        top1_agreement: share on which both name the same class.
        max_abs_diff: largest |Δp|.
        mean_abs_diff: mean over the images of the largest |Δp|.
        labelled: how many have a label.
        top1_accuracy: share of these that get it; None without labels.
        top5_accuracy: share of these that have it among the five most probable.
    """

    images: int
    top1_agreement: float
    max_abs_diff: float
    mean_abs_diff: float
    labelled: int
    top1_accuracy: float | None
    top5_accuracy: float | None


@dataclass(frozen=True)
class PrecisionRow:
    """One precision beside PyTorch, all on the same images.

    Args:
        precision: "fp32", "fp16" or "int8".
        figures: of the artifact.
        pytorch: of PyTorch itself.
        size_bytes: of the artifact.
        ms_per_image: median on this machine's CPU, one image at native size; None when nothing was compared with it.
        speed_ratio: how many times faster than fp32 on this machine's CPU.
    """

    precision: str
    figures: Figures
    pytorch: Figures
    size_bytes: int
    ms_per_image: float | None = None
    speed_ratio: float | None = None


@dataclass(frozen=True)
class ArtifactComparison:
    """One artifact against PyTorch.

    Args:
        rows: all images, in the order in which they were asked.
        onnx: the artifact's figures on the images that judge.
        pytorch: PyTorch's own on the same images; only its accuracy says anything.
    """

    rows: Sequence[ImageComparison]
    onnx: Figures
    pytorch: Figures


def compare_with_pytorch(evidence: Evidence, artifact: Path, progress: Progress) -> ArtifactComparison:
    """Asks the artifact, with the original pixels and with those that core has shrunk.

    Raises:
        RequestError: an image cannot be read.
    """
    classifier = OnnxClassifier(artifact, provider="cpu")
    preprocess = ImagePreprocessor(classifier.metadata.preprocessing)
    scoring = {image.encoded for image in evidence.images.scoring or evidence.images.compared}
    rows: list[ImageComparison] = []
    scored: list[ImageComparison] = []
    asked = zip(evidence.images.compared, evidence.answers, strict=True)
    for image, expected in progress.track(asked, "ONNX", len(evidence.answers)):
        try:
            pixels = preprocess.decode(image.encoded)
        except ImageError as error:
            raise RequestError(f"{image.name!r}: {error}") from error
        graph = classifier.predict(pixels)[0]
        served = classifier.predict(preprocess.shrink(pixels))[0]
        worse = max((graph, served), key=lambda answer: float(np.abs(answer - expected).max()))
        rows.append(_compare_answers(image, expected, worse))
        if image.encoded in scoring:
            scored.append(rows[-1])
    ranks = [row.pytorch_rank for row in scored if row.pytorch_rank is not None]
    pytorch = Figures(len(scored), 1.0, 0.0, 0.0, len(ranks), _share(ranks, 1), _share(ranks, 5))
    return ArtifactComparison(rows, _figures(scored), pytorch)


def admit(
    metadata: ArtifactMetadata,
    comparison: ArtifactComparison,
    min_agreement: float | None,
    rank: Callable[[], Sequence[str]],
    progress: Progress,
) -> ArtifactMetadata:
    """Lets an artifact pass, and says so in its metadata.

    Args:
        metadata: without the proof.
        comparison: on the golden images first.
        min_agreement: share of the images that a reduced artifact must name as PyTorch does; None takes
            `MIN_AGREEMENT`.
        rank: names the layers of a reduced artifact that cost most, for the refusal.
        progress: told of golden cases that are left out.

    Raises:
        ParityError: float32 differs by more than the tolerance, or in its top-1, on any image; NaN is a difference.
        AgreementError: a reduced artifact names other classes too often, or answers NaN.
        ConversionError: a reduced artifact reproduces no golden case.
    """
    precision = metadata.source.precision
    if precision == "fp32":
        return msgspec.structs.replace(metadata, parity=_check_fp32(comparison.rows))
    figures = comparison.onnx
    bar = MIN_AGREEMENT[precision] if min_agreement is None else min_agreement
    # Not "<": NaN must not pass.
    if not figures.top1_agreement >= bar or not np.isfinite(figures.max_abs_diff):
        raise AgreementError(
            precision=precision,
            agreement=figures.top1_agreement,
            bar=bar,
            images=figures.images,
            sensitive=[] if figures.top1_agreement >= bar else rank(),
        )
    tolerance = GOLDEN_TOLERANCE[precision]
    proof = Parity(figures.images, figures.max_abs_diff, figures.top1_agreement, tolerance)
    kept = _reproduced_golden(metadata, comparison.rows, tolerance)
    if left_out := len(metadata.golden) - len(kept):
        progress.note(
            f"golden cases left out because {precision} answers otherwise: {left_out} of {len(metadata.golden)}"
        )
    return msgspec.structs.replace(metadata, parity=proof, golden=kept)


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
        pytorch_rank=_rank(expected, image.class_id),
        onnx_rank=_rank(actual, image.class_id),
    )


def _figures(rows: Sequence[ImageComparison]) -> Figures:
    ranks = [row.onnx_rank for row in rows if row.onnx_rank is not None]
    distances = [row.max_abs_diff for row in rows]
    return Figures(
        images=len(rows),
        top1_agreement=sum(row.agrees for row in rows) / len(rows),
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


def _check_fp32(comparisons: Sequence[ImageComparison]) -> Parity:
    """Sums up, and refuses an artifact that differs.

    Raises:
        ParityError: |Δp| above the tolerance, or another top-1, on any image; a NaN counts as a difference.
    """
    differing = [row for row in comparisons if not row.agrees]
    worst = max(comparisons, key=lambda row: (not row.agrees, np.nan_to_num(row.max_abs_diff, nan=np.inf)))
    if differing or not worst.max_abs_diff <= FP32_TOLERANCE:
        raise ParityError(
            image=worst.name,
            max_abs_diff=worst.max_abs_diff,
            tolerance=FP32_TOLERANCE,
            pytorch_class_id=worst.pytorch_class_id,
            onnx_class_id=worst.onnx_class_id,
            disagreeing=len(differing),
            images=len(comparisons),
        )
    return Parity(
        images=len(comparisons),
        max_abs_diff=worst.max_abs_diff,
        top1_agreement=1.0,
        tolerance=FP32_TOLERANCE,
    )


def _reproduced_golden(
    metadata: ArtifactMetadata, rows: Sequence[ImageComparison], tolerance: float
) -> tuple[GoldenCase, ...]:
    """Gives the golden cases that this precision answers alike: a service would never get ready with the others."""
    kept = tuple(
        case for case, row in zip(metadata.golden, rows, strict=False) if row.agrees and row.max_abs_diff <= tolerance
    )
    if not kept:
        raise ConversionError(
            f"{metadata.source.precision} reproduces none of the {len(metadata.golden)} golden answers; "
            "give photos with `--golden`, or take another precision."
        )
    return kept
