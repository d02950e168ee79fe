"""BentoML: a worker process for each processor (`workers="cpu_count"` in its documents), images as a form's file."""

from __future__ import annotations

from typing import Any

import bentoml
from answering import CPUS, Answering
from PIL import Image

_QUIET: dict[str, Any] = {"metrics": {"enabled": False}, "logging": {"access": {"enabled": False}}}


@bentoml.service(workers=CPUS, traffic={"timeout": 60}, **_QUIET)
class Classifier:
    """One image in, five classes out."""

    def __init__(self) -> None:
        self.answering = Answering()

    @bentoml.api
    def predict(self, image: Image.Image) -> dict[str, Any]:
        """Answers one image."""
        return self.answering(image)
