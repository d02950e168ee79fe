"""A loaded artifact as the service uses it: checked, warm, with its preprocessing, its answers counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
from imgcls_core import ArtifactMetadata, DecodeLimits, ImagePreprocessor, OnnxClassifier
from imgcls_core.artifact.signature import PublicKey
from imgcls_core.images.decode import ImageSource
from imgcls_core.images.preprocess import PreparedImage
from numpy.typing import NDArray

from imgcls_serve.observing.counters import AnswerCounters


class ServedModel:
    """One artifact, loaded on its provider and shown to reproduce its golden answers.

    Args:
        path: the artifact.
        name: what requests call it.
        provider: as `OnnxClassifier` takes it.
        threads: processors for one inference on the CPU.
        at_once: so many golden cases are answered at a time.
        limits: largest image that is decoded.
        window_s: how far back the figures of drift look, in seconds.
        trusted_keys: one of them must have signed the artifact; without any, unsigned ones are served too.

    Attributes:
        s_per_image: how long a golden case took, in seconds, so many at once as `at_once` says.
        metadata: what the artifact says of itself.
        sha256: of the file, as hex.
        seal: over everything that decides an answer, checked, as hex; None of an artifact of before.
        signed_by: ids of the keys whose signature was checked.
        provider: what runs the graph: "cuda", "cpu", or "openvino-" and its precision.
        provider_reason: one clause that says why this provider was taken.
        counters: what it has answered, warm-up, golden cases at load and tests of the deployment left out.
        preprocessor: how images are decoded and shrunk, and within which limits.
        preprocess: encoded image or RGB pixels → RGB uint8 of the network's size; raises ImageError.
        predict: RGB uint8 [N, H, W, 3] → probabilities float32 [N, classes]; raises InferenceError.
        count: takes note of answers that are traffic, float32 [N, classes].

    Raises:
        ArtifactError: the file cannot be used.
        ProviderUnavailableError: the provider asked for cannot be used.
        InvalidAnswerError: it answers with numbers that are no probabilities.
        GoldenMismatchError: the provider does not reproduce the golden answers.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        provider: str,
        threads: int,
        at_once: int,
        limits: DecodeLimits,
        window_s: float,
        trusted_keys: Collection[PublicKey] = (),
    ) -> None:
        classifier = OnnxClassifier(path, provider=provider, threads=threads, trusted_keys=trusted_keys)
        began_s = time.perf_counter()
        classifier.check_golden(at_once=at_once)
        taken_s = time.perf_counter() - began_s
        self.s_per_image = taken_s / max(1, len(classifier.metadata.golden))
        self.name = name
        self.path = path
        self.metadata: ArtifactMetadata = classifier.metadata
        self.sha256 = classifier.sha256
        self.seal = classifier.seal.seal if classifier.seal is not None else None
        self.signed_by = classifier.signed_by
        self.provider = classifier.provider
        self.provider_reason = classifier.provider_reason
        self.counters = AnswerCounters(len(self.metadata.classes), window_s=window_s)
        # The scheduler's threads call core and the counters themselves: nothing is passed on here.
        self.preprocessor = ImagePreprocessor(self.metadata.preprocessing, limits)
        self.preprocess: Callable[[ImageSource], PreparedImage] = self.preprocessor.prepare
        self.predict: Callable[[NDArray[np.uint8]], NDArray[np.float32]] = classifier.predict
        self.count: Callable[[NDArray[np.float32]], None] = self.counters.add
