"""A loaded artifact: checked, warm and ready to answer batches of pixels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from imgcls_core.artifact import ArtifactMetadata
from imgcls_core.errors import ArtifactMetadataError
from imgcls_core.golden import GoldenResult, check_golden, replay_golden
from imgcls_core.session import OnnxRuntimeEngine

_TOP: Final = 5


@dataclass(frozen=True)
class Prediction:
    """One class of an answer; `probability` is 0 to 1."""

    class_id: int
    label: str
    probability: float


class OnnxClassifier:
    """Runs one artifact on one provider.

    Decoding and resizing are `ImagePreprocessor`'s; this class takes pixels.

    Args:
        path: the artifact.
        provider: "auto", "cuda" or "cpu"; a provider asked for by name never falls back to another.
        threads: processors for one call on the CPU; None takes all that this process may use.
        warm_up: answer one blank image now, so that the first caller does not pay for lazy initialisation.

    Attributes:
        metadata: name, classes, preprocessing, provenance, golden cases.
        sha256: of the file, as hex.
        provider: the provider that runs the graph, "cuda" or "cpu".

    Raises:
        ArtifactError: no such file, not ONNX, not an artifact, another schema, a wrong signature.
        ProviderUnavailableError: the provider asked for cannot be used.

    Example:
        >>> classifier = OnnxClassifier("models/resnet18.onnx")
        >>> preprocess = ImagePreprocessor(classifier.metadata.preprocessing)
        >>> probabilities = classifier.predict(preprocess("tench.jpg"))
        >>> classifier.top_k(probabilities[0], 1)
        [Prediction(class_id=0, label='tench', probability=0.97)]
    """

    def __init__(
        self, path: str | Path, *, provider: str = "auto", threads: int | None = None, warm_up: bool = True
    ) -> None:
        self.path = Path(path)
        self._engine = OnnxRuntimeEngine(self.path, provider=provider, threads=threads)
        self.metadata = ArtifactMetadata.from_props(self._engine.props, path=str(path))
        if len(self.metadata.classes) != self._engine.classes:
            raise ArtifactMetadataError(
                str(path), f"it names {len(self.metadata.classes)} classes and answers {self._engine.classes}"
            )
        with self.path.open("rb") as file:
            self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        self.provider = self._engine.provider
        self.provider_reason = self._engine.provider_reason
        if warm_up:
            height, width = self.metadata.preprocessing.native_size
            self._engine.run(np.zeros((1, height, width, 3), np.uint8))

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Answers one image or a batch.

        Args:
            images: RGB uint8 [N, H, W, 3], or one image [H, W, 3]; any H and W from 1 pixel, the same for all N.

        Returns:
            Probabilities float32 [N, classes]; each row sums to 1.

        Raises:
            ValueError: another type or shape, or no image.
            InferenceError: the runtime failed.
        """
        batch = images[np.newaxis] if images.ndim == 3 else images
        if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[3] != 3 or 0 in batch.shape:
            raise ValueError(
                f"images are {images.dtype} {list(images.shape)}; RGB images are uint8 [N, height, width, 3], none zero"
            )
        return self._engine.run(np.ascontiguousarray(batch))

    def top_k(self, probabilities: NDArray[np.float32], k: int | None = None) -> list[Prediction]:
        """Names the k most probable classes, most probable first; equal ones in order of their ids.

        Args:
            probabilities: float32 [classes], one row of `predict`.
            k: 1 to the number of classes; None names five, or all where there are fewer.

        Raises:
            ValueError: k out of range or a vector of another length.
        """
        classes = self.metadata.classes
        k = min(_TOP, len(classes)) if k is None else k
        if not 1 <= k <= len(classes):
            raise ValueError(f"k is {k}; the artifact has {len(classes)} classes, so 1 to {len(classes)} can be named")
        if probabilities.shape != (len(classes),):
            raise ValueError(f"probabilities have shape {list(probabilities.shape)}; one row has [{len(classes)}]")
        best = np.argpartition(-probabilities, k - 1)[:k] if k < len(classes) else np.arange(k)
        # Ties at the border: argpartition may keep any of them, so all that reach the k-th value compete.
        candidates = np.flatnonzero(probabilities >= probabilities[best].min())
        order: NDArray[np.intp] = candidates[np.argsort(-probabilities[candidates], kind="stable")][:k]
        return [Prediction(i, classes[i].label, float(probabilities[i])) for i in map(int, order)]

    def replay_golden(self) -> list[GoldenResult]:
        """Answers the artifact's golden cases on this provider; empty when it carries none."""
        return replay_golden(self._engine, self.metadata)

    def check_golden(self) -> None:
        """Passes when the golden cases are reproduced within the tolerance of the artifact's precision.

        Raises:
            GoldenMismatchError: names the worst case and by how much it differs.
        """
        check_golden(self.replay_golden(), tolerance=self.metadata.golden_tolerance, provider=self.provider)
