"""A loaded artifact as the service uses it: checked, warm, with its preprocessing, its answers counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from imgcls_core import ArtifactMetadata, DecodeLimits, ImagePreprocessor, OnnxClassifier
from imgcls_core.artifact.signature import PublicKey
from imgcls_core.errors import ArtifactUnreadableError, InferenceError
from imgcls_core.images.decode import ImageSource
from imgcls_core.images.preprocess import PreparedImage
from imgcls_core.inference.runtime import Runtime
from numpy.typing import NDArray

from imgcls_serve.models.kept_graphs import SESSION_BYTES, KeptGraph
from imgcls_serve.models.model_files import ArtifactDamagedError
from imgcls_serve.observing.counters import AnswerCounters
from imgcls_serve.observing.state_metrics import ObservedModel

# The weights, and once more as the kernels want them, as measured; metadata, graph and activations come on top.
_READ_BYTES_PER_BYTE: Final = 2
# Between two sessions over the same file on the same machine.
_SAME: Final = 1e-5


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
        kept: its graph, which runs in place of the artifact; such a model can be put away and come back.

    Attributes:
        s_per_image: how long a golden case took, in seconds, so many at once as `at_once` says.
        metadata: what the artifact says of itself; without golden cases where its graph is kept.
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
        kept: as given.
        bytes: what it takes in memory.
        is_resident: whether it is there; one that was put away has everything but what runs it.
        holders: requests that keep it there.
        last_use: a number that grows with each use of any model.

    Raises:
        ArtifactDamagedError: the file is another one than the graph was made of.
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
        kept: KeptGraph | None = None,
    ) -> None:
        runtime = kept.open(provider=provider, threads=threads) if kept is not None else None
        classifier = OnnxClassifier(
            path, provider=provider, threads=threads, runtime=runtime, trusted_keys=trusted_keys
        )
        if kept is not None and classifier.sha256 != kept.sha256:
            raise ArtifactDamagedError(path, expected=kept.sha256, actual=classifier.sha256)
        began_s = time.perf_counter()
        classifier.check_golden(at_once=at_once)
        taken_s = time.perf_counter() - began_s
        self.s_per_image = taken_s / max(1, len(classifier.metadata.golden))
        self.name = name
        self.path = path
        self.metadata: ArtifactMetadata = classifier.metadata
        if kept is not None:
            self.metadata = _without_golden(classifier.metadata)
        self.kept = kept
        self._threads = threads
        self._requested = provider
        self._blank = self._answer_blank(runtime) if runtime is not None else None
        self.bytes = kept.bytes if kept is not None else bytes_when_read(path)
        self.is_resident = True
        self.holders = self.last_use = 0
        self.sha256 = classifier.sha256
        self.seal = classifier.seal.seal if classifier.seal is not None else None
        self.signed_by = classifier.signed_by
        self.provider = classifier.provider
        self.provider_reason = classifier.provider_reason
        self.counters = AnswerCounters(len(self.metadata.classes), window_s=window_s)
        # The scheduler's threads call core and the counters themselves: nothing is passed on here.
        self.preprocessor = ImagePreprocessor(self.metadata.preprocessing, limits)
        self.preprocess: Callable[[ImageSource], PreparedImage] = self.preprocessor.prepare
        self.predict: Callable[[NDArray[np.uint8]], NDArray[np.float32]] = (
            runtime.run if runtime is not None else classifier.predict
        )
        self.count: Callable[[NDArray[np.float32]], None] = self.counters.add

    def observed(self, *, is_default: bool) -> ObservedModel:
        """Gives what metrics show of it."""
        return ObservedModel(
            counters=self.counters,
            reference=self.metadata.reference,
            sha256=self.sha256,
            provider=self.provider,
            precision=self.metadata.source.precision,
            is_default=is_default,
            bytes=self.bytes,
        )

    def golden_metadata(self) -> ArtifactMetadata:
        """Gives what the artifact says of itself, golden cases included."""
        return self.metadata if self.kept is None else self.kept.metadata()

    def put_away(self) -> None:
        """Leaves the memory; must not be asked before it has come back."""
        self.is_resident = False
        self.predict = _answer_nothing

    def come_back(self) -> None:
        """Returns into memory from its kept graph. It was proven: that it is still the same, one answer shows.

        Raises:
            ArtifactError: the kept graph has gone, or answers otherwise.
        """
        if self.kept is None or self._blank is None:  # such a model is never put away
            return
        runtime = self.kept.open(provider=self._requested, threads=self._threads)
        if not np.allclose(self._answer_blank(runtime), self._blank, rtol=0, atol=_SAME):
            raise ArtifactUnreadableError(str(self.kept.folder), "its answer has changed")
        self.predict = runtime.run
        self.is_resident = True

    def _answer_blank(self, runtime: Runtime) -> NDArray[np.float32]:
        height, width = self.metadata.preprocessing.native_size
        return runtime.run(np.zeros((1, height, width, 3), np.uint8))


def _without_golden(metadata: ArtifactMetadata) -> ArtifactMetadata:
    """Leaves out megabytes that nobody asks for but whoever tests a deployment."""
    parity = metadata.parity and msgspec.structs.replace(metadata.parity, golden_cases=None)
    return msgspec.structs.replace(metadata, golden=(), parity=parity)


def bytes_when_read(file: Path) -> int:
    """Gives what an artifact takes in memory whose graph is not kept."""
    return SESSION_BYTES + _READ_BYTES_PER_BYTE * file.stat().st_size


def _answer_nothing(_: NDArray[np.uint8]) -> NDArray[np.float32]:
    raise InferenceError("the model has left the memory")  # for nobody: whoever waits keeps it there
