"""A loaded artifact as the service uses it: checked, warm, with its preprocessing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from imgcls_core import ArtifactMetadata, DecodeLimits, ImagePreprocessor, OnnxClassifier, Prediction
from imgcls_core.image_decode import ImageSource
from numpy.typing import NDArray


class ServedModel:
    """One artifact, loaded on its provider and shown to reproduce its golden answers.

    Args:
        path: the artifact.
        name: what requests call it.
        provider: "auto", "cuda" or "cpu".
        threads: processors for one inference on the CPU.
        limits: largest image that is decoded.

    Raises:
        ArtifactError: the file cannot be used.
        ProviderUnavailableError: the provider asked for cannot be used.
        GoldenMismatchError: the provider does not reproduce the golden answers.
    """

    def __init__(self, path: Path, *, name: str, provider: str, threads: int, limits: DecodeLimits) -> None:
        self.name = name
        self.path = path
        self._classifier = OnnxClassifier(path, provider=provider, threads=threads)
        self._preprocessor = ImagePreprocessor(self._classifier.metadata.preprocessing, limits)
        self._classifier.check_golden()

    @property
    def metadata(self) -> ArtifactMetadata:
        """What the artifact says of itself."""
        return self._classifier.metadata

    @property
    def sha256(self) -> str:
        """Of the file, as hex."""
        return self._classifier.sha256

    @property
    def provider(self) -> str:
        """The provider that runs the graph: "cuda" or "cpu"."""
        return self._classifier.provider

    @property
    def provider_reason(self) -> str:
        """One clause that says why this provider was taken."""
        return self._classifier.provider_reason

    def preprocess(self, source: ImageSource) -> NDArray[np.uint8]:
        """Encoded image or RGB pixels → RGB uint8 of the network's size. Raises ImageError."""
        return self._preprocessor(source)

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """RGB uint8 [N, H, W, 3] → probabilities float32 [N, classes]. Raises InferenceError."""
        return self._classifier.predict(images)

    def top_k(self, probabilities: NDArray[np.float32], k: int) -> list[Prediction]:
        """Names the k most probable classes of one row, most probable first."""
        return self._classifier.top_k(probabilities, k)
