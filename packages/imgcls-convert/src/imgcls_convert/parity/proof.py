"""Writes the artifact in every precision that is asked for, and proves each against PyTorch's answers."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from imgcls_cli.progress import Progress
from imgcls_core.artifact import ArtifactMetadata, GoldenAnswer, GoldenCase, Precision
from onnx import ModelProto

from imgcls_convert.graph.artifact import write_artifact
from imgcls_convert.parity.gate import Evidence, ImageComparison, PrecisionRow, admit, compare_with_pytorch
from imgcls_convert.parity.speed import milliseconds_per_image
from imgcls_convert.quantize.reduction import Choice, reduce
from imgcls_convert.request import ConvertRequest

_RECORDED_CLASSES: Final = 5
_MAX_VECTORS_BYTES: Final = 200_000  # of all whole answers together, in base64


@dataclass(frozen=True)
class Proven:
    """A finished artifact in the scratch folder, with what was measured of it."""

    metadata: ArtifactMetadata
    comparisons: Sequence[ImageComparison]
    table: Sequence[PrecisionRow]
    float_layers: Sequence[str]


def prove(
    request: ConvertRequest,
    network: ModelProto,
    metadata: ArtifactMetadata,
    evidence: Evidence,
    unfinished: Path,
    progress: Progress,
) -> Proven:
    """Writes the artifact to `unfinished`, in the precision that was asked for.

    The float32 artifact is always proven first: what a smaller precision is compared with must itself be right.

    Args:
        request: says the precision, and whether to prove at all.
        network: float32, from `NETWORK_INPUT` to probabilities.
        metadata: without golden cases, which are recorded here.
        evidence: what PyTorch says.
        unfinished: the file to write; others may stand beside it.
        progress: shown the stages.

    Raises:
        ParityError: float32 differs.
        AgreementError: fp16 or int8 names other classes too often.
        ConversionError: the artifact cannot be written, or a reduced one reproduces no golden case.
    """
    metadata = msgspec.structs.replace(metadata, golden=tuple(_golden_cases(evidence)))
    min_agreement = None if request.min_agreement is None else request.min_agreement / 100
    in_float = unfinished.with_name(f"fp32-{unfinished.name}")
    choice = Choice(network, (), tuple)
    rows: Sequence[ImageComparison] = ()
    table: list[PrecisionRow] = []
    for precision in _precisions(request):
        draft = unfinished if precision == request.precision else in_float
        if precision != "fp32":
            progress.step(f"Reducing to {precision}")
            choice = reduce(network, precision, evidence.calibration, progress)
            metadata = msgspec.structs.replace(
                metadata, parity=None, source=msgspec.structs.replace(metadata.source, precision=precision)
            )
        write_artifact(draft, choice.model, metadata)
        if request.skip_verify:
            continue
        subject = "ONNX" if precision == "fp32" else precision
        progress.step(f"Comparing {subject} with PyTorch on {len(evidence.answers)} images")
        comparison = compare_with_pytorch(evidence, draft, progress)
        metadata, rows = admit(metadata, comparison, min_agreement, choice.rank, progress), comparison.rows
        write_artifact(draft, choice.model, metadata)
        table.append(PrecisionRow(precision, comparison.onnx, comparison.pytorch, draft.stat().st_size))
    if len(table) > 1:
        ms = milliseconds_per_image([in_float, unfinished])
        table = [replace(row, ms_per_image=own, speed_ratio=ms[0] / own) for row, own in zip(table, ms, strict=True)]
    return Proven(metadata, rows, table, choice.float_layers)


def _precisions(request: ConvertRequest) -> list[Precision]:
    return ["fp32"] if request.precision == "fp32" else ["fp32", request.precision]


def _golden_cases(evidence: Evidence) -> Iterator[GoldenCase]:
    """Records PyTorch's answers: the most probable classes, what they would be under faults, and the whole answer.

    The whole answer shows two classes that were exchanged; where there are so many classes that it is large, only the
    first cases have it.
    """
    room = _MAX_VECTORS_BYTES
    for place, image in enumerate(evidence.images.golden):
        answer = evidence.answers[place]
        best = np.argsort(-answer, kind="stable")[:_RECORDED_CLASSES]
        vector = base64.b64encode(answer.astype("<f4").tobytes()).decode("ascii")
        room -= len(vector)
        yield GoldenCase(
            name=image.name,
            image_base64=base64.b64encode(image.encoded).decode("ascii"),
            top=tuple(GoldenAnswer(int(i), min(1.0, float(answer[i]))) for i in best),
            expected_class_id=image.class_id,
            vector_base64=vector if place == 0 or room >= 0 else None,
            counterfactuals=evidence.counterfactuals[place],
        )
