"""The last stages of a conversion: write the artifact in a scratch folder and prove it against PyTorch's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from imgcls_core.artifact import GOLDEN_TOLERANCE, ArtifactMetadata
from imgcls_networks.progress import Progress
from imgcls_networks.pytorch_classifier import PyTorchClassifier
from numpy.typing import NDArray
from onnx import ModelProto

from imgcls_convert import parity
from imgcls_convert.artifact_file import with_metadata
from imgcls_convert.calibration_images import ImageSplit
from imgcls_convert.comparison import ImageComparison, ParityImage, onnx_figures, pytorch_figures
from imgcls_convert.errors import ConversionError
from imgcls_convert.export import assemble_artifact
from imgcls_convert.precision import AGREEMENT_BAR, reduce
from imgcls_convert.report import ComparisonRow
from imgcls_convert.request import ConvertRequest
from imgcls_convert.speed import milliseconds_per_image


@dataclass(frozen=True)
class Judged:
    """A finished artifact in the scratch folder, with what was measured of it."""

    metadata: ArtifactMetadata
    comparisons: Sequence[ImageComparison]
    table: Sequence[ComparisonRow]
    float_layers: Sequence[str]


@dataclass(frozen=True)
class Evidence:
    """PyTorch's answers, float32 [classes] each, to the images of the comparison."""

    images: Sequence[ParityImage]
    answers: Sequence[NDArray[np.float32]]
    reference: PyTorchClassifier
    split: ImageSplit | None

    def judges(self, rows: Sequence[ImageComparison]) -> list[ImageComparison]:
        """The rows of the images that judge a reduced artifact."""
        if self.split is None:
            return list(rows)
        scoring = {image.encoded for image in self.split.scoring}
        return [row for row, image in zip(rows, self.images, strict=True) if image.encoded in scoring]


def write_and_judge(
    request: ConvertRequest,
    network: ModelProto,
    metadata: ArtifactMetadata,
    evidence: Evidence,
    unfinished: Path,
    progress: Progress,
) -> Judged:
    """Writes the artifact to `unfinished`, in the precision that was asked for, and compares it with PyTorch.

    The float32 artifact is always proven first: what a smaller precision is compared with must itself be right.

    Raises:
        ParityError: float32 differs.
        AgreementError: fp16 or int8 names other classes too often.
    """
    classes = len(metadata.classes)
    _write(unfinished, assemble_artifact(network, metadata.preprocessing, classes), metadata)
    rows: list[ImageComparison] = []
    if not request.skip_verify:
        progress.step(f"Comparing ONNX with PyTorch on {len(evidence.images)} images")
        rows = parity.compare(evidence.images, evidence.answers, unfinished, progress)
        metadata = msgspec.structs.replace(metadata, parity=parity.check_fp32(rows))
    if request.precision == "fp32":
        _write(unfinished, assemble_artifact(network, metadata.preprocessing, classes), metadata)
        return Judged(metadata, rows, [_row("fp32", rows, unfinished)] if rows else [], ())

    progress.step(f"Reducing to {request.precision}")
    calibration = evidence.split.calibration if evidence.split else evidence.images
    inputs = [evidence.reference.pixels(image.encoded).numpy() for image in calibration]
    choice = reduce(network, request.precision, inputs, progress)
    reduced = assemble_artifact(choice.model, metadata.preprocessing, classes)
    names = _weight_names(network)
    kept = [names.get(layer, layer) for layer in choice.float_layers]
    reduced_metadata = msgspec.structs.replace(
        metadata, source=msgspec.structs.replace(metadata.source, precision=request.precision), parity=None
    )
    beside = unfinished.with_name(f"reduced-{unfinished.name}")
    _write(beside, reduced, reduced_metadata)
    if request.skip_verify:
        beside.replace(unfinished)
        return Judged(reduced_metadata, [], [], kept)

    progress.step(f"Comparing {request.precision} with PyTorch on {len(evidence.images)} images")
    reduced_rows = parity.compare(evidence.images, evidence.answers, beside, progress)
    judging = evidence.judges(reduced_rows)
    bar = AGREEMENT_BAR[request.precision] if request.min_agreement is None else request.min_agreement / 100
    figures = onnx_figures(judging)
    sensitive = [] if figures.top1_agreement >= bar else [names.get(layer, layer) for layer in choice.rank()]
    proven = parity.check_agreement(figures, request.precision, bar, sensitive)
    reduced_metadata = msgspec.structs.replace(reduced_metadata, parity=proven)
    reduced_metadata = _reproduced_golden(reduced_metadata, reduced_rows, progress)
    _write(beside, reduced, reduced_metadata)
    speeds = milliseconds_per_image([unfinished, beside])
    table = [
        _row("fp32", evidence.judges(rows), unfinished, speeds[0], 1.0),
        _row(request.precision, judging, beside, speeds[1], speeds[0] / speeds[1]),
    ]
    beside.replace(unfinished)
    return Judged(reduced_metadata, reduced_rows, table, kept)


def _write(path: Path, model: ModelProto, metadata: ArtifactMetadata) -> None:
    path.write_bytes(with_metadata(model, metadata))


def _row(
    name: str,
    rows: Sequence[ImageComparison],
    path: Path,
    ms_per_image: float | None = None,
    speed: float | None = None,
) -> ComparisonRow:
    return ComparisonRow(
        precision=name,
        figures=onnx_figures(rows),
        pytorch=pytorch_figures(rows),
        size_bytes=path.stat().st_size,
        ms_per_image=ms_per_image,
        speed_ratio=speed,
    )


def _reproduced_golden(
    metadata: ArtifactMetadata, rows: Sequence[ImageComparison], progress: Progress
) -> ArtifactMetadata:
    """Leaves out golden cases that this precision answers otherwise: a service would never get ready with them."""
    tolerance = GOLDEN_TOLERANCE[metadata.source.precision]
    kept = tuple(
        case for case, row in zip(metadata.golden, rows, strict=False) if row.agrees and row.max_abs_diff <= tolerance
    )
    if not kept:
        raise ConversionError(
            f"{metadata.source.precision} reproduces none of the {len(metadata.golden)} golden answers; "
            "give photos with `--golden`, or take another precision."
        )
    if left_out := len(metadata.golden) - len(kept):
        precision = metadata.source.precision
        progress.note(
            f"golden cases left out because {precision} answers otherwise: {left_out} of {len(metadata.golden)}"
        )
    return msgspec.structs.replace(metadata, golden=kept)


def _weight_names(network: ModelProto) -> Mapping[str, str]:
    """Layers as PyTorch calls them, where the exporter has kept the name of their weights."""
    return {
        node.name: node.input[1].removeprefix("network.").removesuffix(".weight")
        for node in network.graph.node
        if len(node.input) > 1
    }
