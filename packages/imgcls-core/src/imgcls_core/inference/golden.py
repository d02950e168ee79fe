"""Replays an artifact's golden cases: does this machine, on this provider, answer as PyTorch did?"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from imgcls_contract import ObservedCase, explain
from numpy.typing import NDArray

from imgcls_core.artifact.metadata import ArtifactMetadata, GoldenCase
from imgcls_core.errors import GoldenMismatchError, ImageError, InvalidAnswerError
from imgcls_core.images.preprocess import ImagePreprocessor
from imgcls_core.inference.runtime import Runtime

# A row of float32 probabilities sums to 1 within 1e-5, one of a network in half precision within 1e-3.
_SUM_TOLERANCE: Final = 0.01


@dataclass(frozen=True)
class GoldenResult:
    """One replayed case.

    Args:
        name: of the case.
        max_abs_diff: the largest |Δp|, over PyTorch's whole answer where it is kept, else over its five best classes.
        expected_class_id: PyTorch's top-1.
        actual_class_id: top-1 here.
        answer: what was answered, float32 [classes].
        observed: the same beside what PyTorch answers, rightly and under each fault.
    """

    name: str
    max_abs_diff: float
    expected_class_id: int
    actual_class_id: int
    answer: NDArray[np.float32]
    observed: ObservedCase

    def passes(self, tolerance: float) -> bool:
        """Whether the top-1 is PyTorch's and every probability is within the tolerance."""
        return self.actual_class_id == self.expected_class_id and self.max_abs_diff <= tolerance


def replay_golden(runtime: Runtime, metadata: ArtifactMetadata, *, at_once: int = 1) -> list[GoldenResult]:
    """Answers every golden case through decode, shrink and the runtime, one image a call, so many calls at once."""
    preprocessor = ImagePreprocessor(metadata.preprocessing)
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(partial(_replay, runtime, preprocessor), metadata.golden))


def check_golden(results: Sequence[GoldenResult], *, path: str, tolerance: float, provider: str) -> None:
    """Raises if a case does not pass.

    Raises:
        InvalidAnswerError: an answer is not finite or does not sum to 1.
        GoldenMismatchError: names the failing case with the largest difference, and the fault that explains them all.
    """
    explanation = explain([result.observed for result in results], tolerance=tolerance)
    for result in results:
        check_answer(
            result.answer,
            path=path,
            image=f"golden case {result.name!r}",
            explanation=explanation.text if explanation else None,
        )
    failed = [result for result in results if not result.passes(tolerance)]
    if failed:
        worst = max(failed, key=lambda one: (one.actual_class_id != one.expected_class_id, one.max_abs_diff))
        raise GoldenMismatchError(
            case=worst.name,
            max_abs_diff=worst.max_abs_diff,
            tolerance=tolerance,
            expected_class_id=worst.expected_class_id,
            actual_class_id=worst.actual_class_id,
            provider=provider,
            explanation=explanation.text if explanation else None,
        )


def check_answer(answer: NDArray[np.float32], *, path: str, image: str, explanation: str | None = None) -> None:
    """Raises if an answer is no distribution over the classes.

    Args:
        answer: float32 [classes].
        path: the artifact, for the error text.
        image: which image, for the error text.
        explanation: which fault the answers are those of, for the error text.

    Raises:
        InvalidAnswerError: it is not finite or does not sum to 1.
    """
    if not np.isfinite(answer).all():
        raise InvalidAnswerError(path, image=image, reason="numbers that are not finite", explanation=explanation)
    if abs((total := float(answer.sum())) - 1) > _SUM_TOLERANCE or answer.min() < 0:
        raise InvalidAnswerError(
            path, image=image, reason=f"numbers from {answer.min():g} that sum to {total:g}", explanation=explanation
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
    expected = {answer.class_id: answer.probability for answer in case.top}
    if case.vector is not None:
        max_abs_diff = float(np.abs(actual - np.frombuffer(case.vector, "<f4")).max())
    else:
        max_abs_diff = float(np.abs(actual[[*expected]] - [*expected.values()]).max())
    observed = ObservedCase(expected, case.counterfactuals, dict(enumerate(map(float, actual))))
    return GoldenResult(case.name, max_abs_diff, case.top[0].class_id, int(actual.argmax()), actual, observed)
