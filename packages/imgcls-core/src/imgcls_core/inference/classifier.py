"""A loaded artifact: checked, warm and ready to answer batches of pixels."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache, partial
from pathlib import Path
from typing import Final, cast

import numpy as np
from imgcls_contract import ClassProbability, classes_html
from numpy.typing import NDArray
from PIL import Image

from imgcls_core.artifact.graph_check import check_graph
from imgcls_core.artifact.metadata import ArtifactMetadata
from imgcls_core.artifact.props import read_parts
from imgcls_core.artifact.seal import checked_seal
from imgcls_core.artifact.signature import PublicKey, check_signatures
from imgcls_core.checksum import file_sha256
from imgcls_core.errors import ArtifactMetadataError, GoldenMismatchError, InvalidAnswerError
from imgcls_core.images.decode import ImageSource
from imgcls_core.images.preprocess import ImagePreprocessor
from imgcls_core.inference.engines import load_runtime
from imgcls_core.inference.golden import GoldenResult, check_answer, check_golden, replay_golden
from imgcls_core.inference.providers import is_openvino
from imgcls_core.inference.runtime import Runtime
from imgcls_core.inference.top_k import top_k

_TOP: Final = 5


class NamedClasses(list[ClassProbability]):
    """Classes of an answer, the most probable first; a notebook shows them as bars."""

    def _repr_html_(self) -> str:
        """Gives what a notebook shows."""
        return classes_html(self, "")


class OnnxClassifier:
    """Runs one artifact on one provider.

    It takes pixels as a service has them, and single images in every form that `ImagePreprocessor` takes.

    Args:
        path: the artifact.
        provider: "auto", "cuda" or "cpu"; "openvino", which calculates as the artifact does, or with its precision
            ("openvino-bf16"). A provider asked for by name never falls back to another.
        threads: processors for one call on the CPU; None takes all that this process may use.
        warm_up: answer one blank image now, so that the first caller does not pay for lazy initialisation.
        runtime: runs this artifact in place of an engine of ours, already loaded; `provider` and `threads` are its own
            then.
        trusted_keys: one of them must have signed the artifact; without any, unsigned ones are as good.

    Attributes:
        metadata: name, classes, preprocessing, provenance, golden cases.
        sha256: of the file, as hex.
        seal: over its parts, checked; None of a file of before, which carries none.
        signed_by: ids of the keys whose signature was checked.
        provider: what runs the graph: "cuda", "cpu", or "openvino-" and its precision.
        provider_reason: one clause that says why.

    Raises:
        ArtifactError: no such file, not ONNX, not an artifact, another schema, other inputs or outputs, changed after
            it was sealed, signed by no trusted key, a graph with loops, foreign operators or tensors in other files.
        ProviderUnavailableError: the provider asked for cannot be used.

    Example:
        >>> classifier = OnnxClassifier("models/resnet18.onnx")
        >>> probabilities = classifier.predict("tench.jpg")
        >>> classifier.top_k(probabilities[0], 1)
        [ClassProbability(class_id=0, label='tench', probability=0.97)]
    """

    def __init__(
        self,
        path: str | Path,
        *,
        provider: str = "auto",
        threads: int | None = None,
        warm_up: bool = True,
        runtime: Runtime | None = None,
        trusted_keys: Collection[PublicKey] = (),
    ) -> None:
        self.path = Path(path)
        # Before anything of the file runs: what was changed or is not trusted never reaches the runtime.
        parts = read_parts(self.path)
        self.seal = checked_seal(parts, path=str(path))
        self.signed_by = check_signatures(parts, self.seal, trusted=trusted_keys, path=str(path))
        check_graph(self.path)
        read_metadata = cache(partial(ArtifactMetadata.from_props, parts.props, path=str(path)))
        self.sha256 = file_sha256(self.path)
        self._load = partial(
            load_runtime, self.path, read_metadata, provider=provider, threads=threads, sha256=self.sha256
        )
        self._is_chosen = runtime is None and provider == "auto"
        self._take(runtime or self._load())
        self.metadata = read_metadata()
        if len(self.metadata.classes) != self._runtime.classes:
            raise ArtifactMetadataError(
                str(path), f"it names {len(self.metadata.classes)} classes and answers {self._runtime.classes}"
            )
        if warm_up:
            height, width = self.metadata.preprocessing.native_size
            self._runtime.run(np.zeros((1, height, width, 3), np.uint8))

    def _take(self, runtime: Runtime) -> None:
        self._runtime, self.provider, self.provider_reason = runtime, runtime.provider, runtime.provider_reason

    def __repr__(self) -> str:
        meta = self.metadata
        height, width = meta.preprocessing.size
        return (
            f"OnnxClassifier({str(self.path)!r}: {meta.name}, {len(meta.classes)} classes, {height} × {width} px, "
            f"{meta.source.precision}, {self.provider})"
        )

    def predict(self, images: ImageSource) -> NDArray[np.float32]:
        """Answers one image or a batch.

        Args:
            images: one image as a path, encoded bytes, a binary file or a PIL image; or pixels, RGB uint8 [H, W, 3] or
                [N, H, W, 3] with any H and W from 1 pixel, the same for all N.

        Returns:
            Probabilities float32 [N, classes], one row for a single image; each row sums to 1.

        Raises:
            TypeError: something else than an image.
            ValueError: pixels of another type or shape, or no image.
            ImageError: the image cannot be decoded, or is larger than the limits allow.
            InferenceError: the runtime failed.
        """
        if not isinstance(images, np.ndarray):
            return self._runtime.run(self._pixels_of(images)[np.newaxis])
        batch = images[np.newaxis] if images.ndim == 3 else images
        if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[3] != 3 or 0 in batch.shape:
            raise ValueError(
                f"images are {images.dtype} {list(images.shape)}; RGB images are uint8 [N, height, width, 3], none zero"
            )
        return self._runtime.run(np.ascontiguousarray(batch))

    def _pixels_of(self, image: object) -> NDArray[np.uint8]:
        takes = (str, Path, bytes, bytearray, memoryview, Image.Image)
        if not isinstance(image, takes) and not hasattr(image, "read"):
            several = isinstance(image, (list, tuple))
            advice = "; ask about one at a time, or stack their pixels" if several else ""
            raise TypeError(
                "predict takes a path, encoded bytes, a binary file, a PIL image or pixels, uint8 [N, height, width, 3]"
                f"; it was given a {type(image).__name__}{advice}"
            )
        return ImagePreprocessor(self.metadata.preprocessing)(cast("ImageSource", image))

    def top_k(self, probabilities: NDArray[np.float32], k: int | None = None) -> NamedClasses:
        """Names the k most probable classes, most probable first; equal ones in order of their ids.

        Args:
            probabilities: float32 [classes], one row of `predict`.
            k: 1 to the number of classes; None names five, or all where there are fewer.

        Raises:
            ValueError: k out of range or a vector of another length.
        """
        classes = self.metadata.classes
        return NamedClasses(top_k(probabilities, classes, min(_TOP, len(classes)) if k is None else k))

    def replay_golden(self, *, at_once: int = 1) -> list[GoldenResult]:
        """Answers the artifact's golden cases on this provider, so many at once; empty when it carries none."""
        return replay_golden(self._runtime, self.metadata, at_once=at_once)

    def check_golden(self, *, at_once: int = 1) -> None:
        """Raises if the golden cases are not reproduced within the tolerance of the artifact's precision.

        Args:
            at_once: so many cases are answered at a time.

        Raises:
            GoldenMismatchError: names the worst case, by how much it differs, and the fault that explains it.
            InvalidAnswerError: an answer is not finite or does not sum to 1.
        """
        try:
            self._check_golden(at_once)
        except (GoldenMismatchError, InvalidAnswerError):
            if not (self._is_chosen and is_openvino(self.provider)):
                raise
            # It was the fastest when it was measured, and answered rightly then: that is no longer so.
            self._take(self._load(recall=False))
            self._check_golden(at_once)

    def _check_golden(self, at_once: int) -> None:
        if not self.metadata.golden:
            height, width = self.metadata.preprocessing.native_size
            blank = self._runtime.run(np.zeros((1, height, width, 3), np.uint8))[0]
            check_answer(blank, path=str(self.path), image="a blank image")
        check_golden(
            self.replay_golden(at_once=at_once),
            path=str(self.path),
            tolerance=self.metadata.golden_tolerance,
            provider=self.provider,
        )
