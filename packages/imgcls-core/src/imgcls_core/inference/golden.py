"""Replays an artifact's golden cases: does this machine, on this provider, answer as PyTorch did?"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imgcls_core.artifact.metadata import ArtifactMetadata, GoldenCase
from imgcls_core.errors import GoldenMismatchError, ImageError
from imgcls_core.images.preprocess import ImagePreprocessor
from imgcls_core.inference.runtime import Runtime


@dataclass(frozen=True)
class GoldenResult:
    """One replayed case; `max_abs_diff` is the largest |Δp| over PyTorch's five most probable classes."""

    name: str
    max_abs_diff: float
    expected_class_id: int
    actual_class_id: int

    def passes(self, tolerance: float) -> bool:
        """Whether the top-1 is PyTorch's and every probability is within the tolerance."""
        return self.actual_class_id == self.expected_class_id and self.max_abs_diff <= tolerance


def replay_golden(runtime: Runtime, metadata: ArtifactMetadata) -> list[GoldenResult]:
    """Answers every golden case through decode, shrink and the runtime, one image a call."""
    preprocessor = ImagePreprocessor(metadata.preprocessing)
    return [_replay(runtime, preprocessor, case) for case in metadata.golden]


def check_golden(results: Sequence[GoldenResult], *, tolerance: float, provider: str) -> None:
    """Raises if a case does not pass.

    Raises:
        GoldenMismatchError: names the failing case with the largest difference.
    """
    failed = [result for result in results if not result.passes(tolerance)]
    if failed:
        worst = max(
            failed, key=lambda result: (result.actual_class_id != result.expected_class_id, result.max_abs_diff)
        )
        raise GoldenMismatchError(
            case=worst.name,
            max_abs_diff=worst.max_abs_diff,
            tolerance=tolerance,
            expected_class_id=worst.expected_class_id,
            actual_class_id=worst.actual_class_id,
            provider=provider,
        )


def golden_image(case: GoldenCase) -> bytes:
    """Gives the encoded image of a golden case.

    Raises:
        ImageError: the case does not hold base64.
    """
    try:
        return base64.b64decode(case.image_base64, validate=True)
    except binascii.Error as error:
        raise ImageError(f"Golden case {case.name!r} does not hold base64: {error}.") from error


def _replay(runtime: Runtime, preprocessor: ImagePreprocessor, case: GoldenCase) -> GoldenResult:
    pixels = preprocessor(golden_image(case))
    actual = runtime.run(pixels[np.newaxis])[0]
    ids = [answer.class_id for answer in case.top]
    expected = np.array([answer.probability for answer in case.top])
    return GoldenResult(case.name, float(np.abs(actual[ids] - expected).max()), ids[0], int(actual.argmax()))
