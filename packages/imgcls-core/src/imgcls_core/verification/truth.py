"""An artifact that answers in this process as its deployments must answer elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from imgcls_contract import Accuracy, GoldenReply, ModelId

from imgcls_core.artifact.golden_reply import golden_reply
from imgcls_core.inference.classifier import OnnxClassifier
from imgcls_core.verification.drawn_images import drawn_images, large_images, seen_pixels


class ArtifactTruth:
    """Answers with the artifact in this process, on the CPU.

    Args:
        path: the artifact.

    Raises:
        ImgclsError: it cannot be used, or was changed after it was sealed.
    """

    def __init__(self, path: Path) -> None:
        self._classifier = OnnxClassifier(path, provider="cpu")
        self._classifier.check_golden()

    @property
    def sha256(self) -> str:
        """The hash of the file."""
        return self._classifier.sha256

    @property
    def sealed(self) -> str:
        """Says in a few words whether the file is as it was written."""
        seal = self._classifier.seal
        return "unsealed" if seal is None else f"sealed {seal.seal[:12]}…"

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of its classes, in order."""
        return tuple(each.label for each in self._classifier.metadata.classes)

    @cached_property
    def golden(self) -> GoldenReply:
        """The artifact's golden cases, as the service gives them."""
        metadata = self._classifier.metadata
        return golden_reply(metadata, ModelId(metadata.name, self.sha256))

    @property
    def accuracy(self) -> Accuracy | None:
        """How often it is right, where somebody has measured it."""
        return self._classifier.metadata.accuracy

    def vector(self, encoded: bytes) -> list[float]:
        """Answers an encoded image, decoded by Pillow as the artifact says."""
        pixels = seen_pixels(encoded, self._classifier.metadata.preprocessing)
        return self._classifier.predict(pixels)[0].tolist()

    def large_images(self) -> Iterator[tuple[str, bytes]]:
        """Makes images of the sizes that cameras make."""
        return large_images([case.image for case in self.golden.cases])

    def drawn_images(self, seed: int) -> Iterator[tuple[str, bytes]]:
        """Draws images that nobody has seen."""
        return drawn_images(seed, [case.image for case in self.golden.cases])
