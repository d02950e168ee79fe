"""What `evaluate` can ask: a trained model's folder through PyTorch, or an artifact through ONNX Runtime."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch
from imgcls_core.artifact import ClassInfo
from imgcls_core.images.decode import DecodeLimits, ImageSource, decode_image
from imgcls_core.images.preprocess import ImagePreprocessor
from imgcls_core.inference.classifier import OnnxClassifier
from imgcls_networks.architectures.architecture import build_architecture, with_head
from imgcls_networks.models.trained_model import WEIGHTS_NAME, TrainedModel
from imgcls_networks.probability_network import ProbabilityNetwork, logits_of, with_probabilities
from imgcls_networks.pytorch_classifier import PyTorchClassifier
from imgcls_networks.weights.checkpoint import load_checkpoint
from numpy.typing import NDArray

from imgcls_train.errors import RunError

# Below this a probability of ONNX Runtime is a rounded zero; its logarithm must stay finite.
_LEAST: Final = 1e-30


class EvaluatedModel(Protocol):
    """One classifier, whatever runs it.

    Attributes:
        name: what reports call it.
        kind: "trained model" or "artifact".
        sha256: of the weights or of the artifact.
        precision: number format of the network.
        classes: in order of the output.
        batch: images that are asked at a time.
        temperature: what its card says; 1 for an artifact, whose answers are as they are.
    """

    name: str
    kind: str
    sha256: str
    precision: str
    classes: tuple[ClassInfo, ...]
    batch: int
    temperature: float

    def prepare(self, source: ImageSource) -> Any:  # noqa: ANN401 - pixels of the engine's own kind
        """Decodes and resizes one image. Raises ImageError."""
        ...

    def log_probabilities(self, prepared: Sequence[Any]) -> NDArray[np.float32]:
        """Answers a batch before any temperature of the card: float32 [N, classes]."""
        ...


def open_model(path: Path) -> EvaluatedModel:
    """Opens a trained model's folder or an artifact.

    Raises:
        RunError: neither is there.
        RequestError: the folder holds no card.
        ConversionError: the weights do not fit the card.
        ArtifactError: the file is not an artifact.
    """
    if path.is_dir():
        return TrainedFolder(path)
    if path.suffix == ".onnx":
        return Artifact(path)
    raise RunError(
        f"{str(path)!r} is neither a trained model's folder (model.json and {WEIGHTS_NAME}) nor an .onnx artifact."
    )


class TrainedFolder:
    """A trained model's folder, asked through PyTorch with the preprocessing that conversion will compare with."""

    kind = "trained model"
    precision = "fp32"
    batch = 64

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.card = TrainedModel.read(folder)
        classes = len(self.card.classes)
        network, weights = load_checkpoint(
            lambda: with_head(build_architecture(self.card.architecture, classes, folder), classes),
            folder / WEIGHTS_NAME,
        )
        self._network: ProbabilityNetwork = with_probabilities(network, self.card.preprocessing.size)
        self._transform = PyTorchClassifier(self._network, self.card.preprocessing).transform
        self.name = self.card.name
        self.sha256 = weights.checkpoint.sha256
        self.classes = self.card.classes
        self.temperature = self.card.temperature

    def prepare(self, source: ImageSource) -> torch.Tensor:
        """Decodes as the service does and resizes as torchvision does: float32 [3, height, width]."""
        return self._transform(decode_image(source, DecodeLimits()))  # pyright: ignore[reportReturnType] - typed as its input

    def log_probabilities(self, prepared: Sequence[torch.Tensor]) -> NDArray[np.float32]:
        """Answers a batch: float32 [N, classes]."""
        with torch.inference_mode():
            logits = logits_of(self._network.network(torch.stack(list(prepared))))
            answers: NDArray[np.float32] = torch.log_softmax(logits.float(), dim=1).numpy()
        return _finite(answers, self.name)


class Artifact:
    """An artifact, asked as the service asks it."""

    kind = "artifact"
    batch = 16
    temperature = 1.0

    def __init__(self, path: Path) -> None:
        self._classifier = OnnxClassifier(path)
        self._preprocess = ImagePreprocessor(self._classifier.metadata.preprocessing)
        self.name = self._classifier.metadata.name
        self.sha256 = self._classifier.sha256
        self.precision = self._classifier.metadata.source.precision
        self.classes = self._classifier.metadata.classes

    def prepare(self, source: ImageSource) -> NDArray[np.uint8]:
        """Decodes and shrinks: RGB uint8 [native height, native width, 3]."""
        return self._preprocess(source)

    def log_probabilities(self, prepared: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Answers a batch: float32 [N, classes]."""
        return _finite(np.log(np.maximum(self._classifier.predict(np.stack(prepared)), _LEAST)), self.name)


def _finite(answers: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    if not math.isfinite(float(answers.sum())):
        raise RunError(f"{name!r} answers NaN or infinity; its weights are damaged or its training diverged.")
    return answers
