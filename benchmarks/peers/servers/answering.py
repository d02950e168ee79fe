"""What every peer does with an image: decode, shrink, session and top-5 of the limit, so that servers alone differ."""

from __future__ import annotations

import os
from typing import Any

from imgcls_core import ImagePreprocessor, OnnxClassifier

PORT = int(os.environ["PEER_PORT"])
CPUS = int(os.environ["PEER_CPUS"])


class Answering:
    """One single-threaded session, as `benchmarks/serve/in_process.py` has it; threads may share it."""

    def __init__(self) -> None:
        self._classifier = OnnxClassifier(os.environ["PEER_MODEL"], provider="cpu", threads=1)
        self._preprocess = ImagePreprocessor(self._classifier.metadata.preprocessing)

    def __call__(self, image: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever the server hands over
        """Answers one image with its five most probable classes."""
        (probabilities,) = self._classifier.predict(self._preprocess(image))
        top = self._classifier.top_k(probabilities, min(5, len(probabilities)))
        return {"top": [{"class_id": one.class_id, "label": one.label, "probability": one.probability} for one in top]}
