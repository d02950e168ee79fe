"""What an evaluation finds, as one document; `publish` compares models by it. Importing it imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec
import numpy as np
from imgcls_networks.models.trained_model import EvaluationSummary
from numpy.typing import NDArray

from imgcls_train.errors import RunError
from imgcls_train.evaluation.accuracy import ClassAccuracy, Confusion, Share
from imgcls_train.evaluation.calibration import Calibration, TemperatureFit

SEED: Final = 0  # of the halves for the temperature: the same on every machine


class ImageAnswers(msgspec.Struct, frozen=True):
    """Every image's answer, column by column, in the split's order; probabilities are 0 to 1."""

    names: tuple[str, ...]
    expected_class_ids: tuple[int, ...]
    predicted_class_ids: tuple[int, ...]
    probabilities: tuple[float, ...]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each first answer is right."""
        return np.array(self.expected_class_ids) == np.array(self.predicted_class_ids)


class Evaluation(msgspec.Struct, frozen=True):
    """What a model reached on a split.

    Args:
        model: its name.
        kind: "trained model" or "artifact".
        model_sha256: of the weights or of the artifact.
        classes: how many the model has; the answers are over all of them.
        dataset_classes: how many the split has.
        split: which images.
        split_sha256: hash over their names, classes and contents.
        images: how many.
        top1: share of images whose first answer is right.
        top5: share of images whose class is among the first five answers.
        temperature: with which the figures were made; of an artifact always 1, its own is inside.
        calibration: as the model answers.
        uncalibrated: at temperature 1.
        fit: a temperature for this model and how it does on images that it was not fitted on; None for less than
            4 images.
        by_class: the worst first.
        confusions: the most frequent first.
        answers: image by image.
        created: when, ISO 8601.
        precision: number format of the network; None in documents of before.
        schema: of this document.
    """

    model: str
    kind: str
    model_sha256: str
    classes: int
    dataset_classes: int
    split: str
    split_sha256: str
    images: int
    top1: Share
    top5: Share
    temperature: float
    calibration: Calibration
    uncalibrated: Calibration
    fit: TemperatureFit | None
    by_class: tuple[ClassAccuracy, ...]
    confusions: tuple[Confusion, ...]
    answers: ImageAnswers
    created: str
    precision: str | None = None
    schema: Literal[1] = 1

    @property
    def summary(self) -> EvaluationSummary:
        """The figures that a trained model's card keeps."""
        return EvaluationSummary(
            split=self.split,
            split_sha256=self.split_sha256,
            images=self.images,
            top1_pct=round(self.top1.pct, 3),
            top5_pct=round(self.top5.pct, 3),
            ece=round(self.calibration.ece, 5),
            log_loss=round(self.calibration.log_loss, 5),
        )

    def to_json(self) -> bytes:
        """Gives the document as JSON."""
        return msgspec.json.encode(self) + b"\n"

    @classmethod
    def read(cls, path: Path) -> Evaluation:
        """Reads what `imgcls-train evaluate --json` printed.

        Raises:
            RunError: it cannot be read, or is not an evaluation.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise RunError(f"The evaluation {str(path)!r} cannot be read: {error.strerror or error}.") from error
        return cls.from_json(content, repr(str(path)))

    @classmethod
    def from_json(cls, content: bytes, source: str) -> Evaluation:
        """Reads a document.

        Raises:
            RunError: it is not one.
        """
        try:
            return msgspec.json.decode(content, type=cls)
        except msgspec.DecodeError as error:
            raise RunError(
                f"{source} is not an evaluation ({error}); `imgcls-train evaluate ARTIFACT DATASET --json` writes one."
            ) from error


def worst_errors(evaluation: Evaluation, count: int) -> Sequence[int]:
    """Gives the places of the wrong first answers that the model was surest of, the surest first."""
    answers = evaluation.answers
    wrong = np.flatnonzero(~answers.right)
    surest = wrong[np.argsort(-np.array(answers.probabilities)[wrong], kind="stable")]
    return [int(place) for place in surest[:count]]
