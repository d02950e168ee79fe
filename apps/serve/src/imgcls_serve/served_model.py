"""A loaded artifact as the service uses it: checked, warm, with its preprocessing, its answers counted."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
from imgcls_contract import ClassProbability
from imgcls_core import ArtifactMetadata, DecodeLimits, ImagePreprocessor, OnnxClassifier
from imgcls_core.images.decode import ImageSource, decode_image
from numpy.typing import NDArray

from imgcls_serve.answer_tally import AnswerTally
from imgcls_serve.engine.job import Picture


class ServedModel:
    """One artifact, loaded on its provider and shown to reproduce its golden answers.

    Args:
        path: the artifact.
        name: what requests call it.
        provider: "auto", "cuda" or "cpu".
        threads: processors for one inference on the CPU.
        limits: largest image that is decoded.
        window_s: how far back the figures of drift look, in seconds.

    Attributes:
        tally: what it has answered, warm-up and golden cases at load left out.
        uncounted: the same model for requests that are checks and no traffic; it leaves the tally alone.

    Raises:
        ArtifactError: the file cannot be used.
        ProviderUnavailableError: the provider asked for cannot be used.
        GoldenMismatchError: the provider does not reproduce the golden answers.
    """

    def __init__(
        self, path: Path, *, name: str, provider: str, threads: int, limits: DecodeLimits, window_s: float
    ) -> None:
        self.name = name
        self.path = path
        self._classifier = OnnxClassifier(path, provider=provider, threads=threads)
        self._preprocessor = ImagePreprocessor(self._classifier.metadata.preprocessing, limits)
        self._classifier.check_golden()
        self.tally = AnswerTally(len(self._classifier.metadata.classes), window_s=window_s)
        self._is_counted = False
        self.uncounted = copy.copy(self)
        self._is_counted = True

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

    def preprocess(self, source: ImageSource) -> Picture:
        """Encoded image or RGB pixels → RGB uint8 of the network's size. Raises ImageError."""
        image = decode_image(source, self._preprocessor.limits)
        width_px, height_px = image.size
        # It is upright and RGB; what is said of the file's own pixels must not be taken for these.
        image.info = {}
        return Picture(self._preprocessor(image), width_px, height_px)

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """RGB uint8 [N, H, W, 3] → probabilities float32 [N, classes]. Raises InferenceError."""
        probabilities = self._classifier.predict(images)
        if self._is_counted:
            self.tally.add(probabilities)
        return probabilities

    def top_k(self, probabilities: NDArray[np.float32], k: int) -> list[ClassProbability]:
        """Names the k most probable classes of one row, most probable first."""
        return self._classifier.top_k(probabilities, k)
