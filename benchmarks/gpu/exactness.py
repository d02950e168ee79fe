"""Whether the provider answers rightly: the golden cases, and every photo beside the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from imgcls_core import ImagePreprocessor, OnnxClassifier

_AT_ONCE = 16


def measure(artifact: Path, photos: list[bytes], provider: str) -> dict[str, Any]:
    """Asks about all of them; gives the largest differences and whether that is within the artifact's tolerance."""
    asked = OnnxClassifier(artifact, provider=provider)
    reference = OnnxClassifier(artifact, provider="cpu")
    golden = asked.replay_golden()
    worst_golden = max((case.max_abs_diff for case in golden), default=0.0)
    preprocess = ImagePreprocessor(asked.metadata.preprocessing)
    pixels = [preprocess(photo) for photo in photos]
    worst, same = 0.0, 0
    for first in range(0, len(pixels), _AT_ONCE):
        batch = np.stack(pixels[first : first + _AT_ONCE])
        answered, expected = asked.predict(batch), reference.predict(batch)
        worst = max(worst, float(np.abs(answered - expected).max()))
        same += int((answered.argmax(axis=1) == expected.argmax(axis=1)).sum())
    tolerance = asked.metadata.golden_tolerance
    return {
        "provider": asked.provider,
        "golden_cases": len(golden),
        "golden_max_difference": worst_golden,
        "tolerance": tolerance,
        "photos": len(photos),
        "same_class_as_cpu": same,
        "max_difference_to_cpu": worst,
        "ok": worst_golden <= tolerance and worst <= tolerance and same == len(photos),
    }
