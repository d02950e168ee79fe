"""The user's own artifact as the truth."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from imgcls_contract import ClassProbability, GoldenCaseReply, GoldenReply, ModelId
from imgcls_core import ImgclsError, OnnxClassifier

from imgcls_client.errors import SettingsError
from imgcls_client.verify.images import drawn_images, large_images, seen_pixels


class ArtifactTruth:
    """Answers with the artifact in this process, on the CPU.

    Args:
        path: the artifact.

    Raises:
        SettingsError: it cannot be used, or was changed after it was sealed.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._classifier = OnnxClassifier(path, provider="cpu")
            self._classifier.check_golden()
        except ImgclsError as error:
            raise SettingsError(f"--artifact {path} cannot be used: {error}") from error

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

    @property
    def golden(self) -> GoldenReply:
        """The artifact's golden cases, as the service gives them."""
        return self._golden

    @cached_property
    def _golden(self) -> GoldenReply:
        metadata, labels = self._classifier.metadata, self.labels
        cases = [
            GoldenCaseReply(
                name=case.name,
                image_base64=case.image_base64,
                top=[ClassProbability(one.class_id, labels[one.class_id], one.probability) for one in case.top],
                expected_class_id=case.expected_class_id,
                vector_base64=case.vector_base64,
                counterfactuals=case.counterfactuals,
            )
            for case in metadata.golden
        ]
        return GoldenReply(
            model=ModelId(metadata.name, self.sha256),
            precision=metadata.source.precision,
            tolerance=metadata.golden_tolerance,
            cases=cases,
        )

    def vector(self, encoded: bytes) -> list[float]:
        """Answers an encoded image, decoded by Pillow."""
        return self._classifier.predict(seen_pixels(encoded))[0].tolist()

    def large_images(self) -> Iterator[tuple[str, bytes]]:
        """Makes images of the sizes that cameras make."""
        return large_images([case.image for case in self.golden.cases])

    def drawn_images(self, seed: int) -> Iterator[tuple[str, bytes]]:
        """Draws images that nobody has seen."""
        return drawn_images(seed, [case.image for case in self.golden.cases])
