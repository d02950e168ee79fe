"""What an evaluation finds, as one document; `publish` compares models by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec
import numpy as np
from imgcls_convert.narrator import Narrator
from imgcls_convert.trained_model import EvaluationSummary
from imgcls_core.answer_bins import reference_distribution
from imgcls_core.artifact import ReferenceDistribution
from numpy.typing import NDArray

from imgcls_train.accuracy import (
    ClassAccuracy,
    Confusion,
    Share,
    accuracy_by_class,
    confusions,
    ranks,
    wilson_share,
)
from imgcls_train.answers import Answers, answer_split
from imgcls_train.calibration import (
    Calibration,
    TemperatureFit,
    cross_fit_temperature,
    measure_calibration,
    tempered,
)
from imgcls_train.dataset import Split, read_classes, split_sha256
from imgcls_train.errors import RunError
from imgcls_train.evaluated_model import EvaluatedModel

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


@dataclass(frozen=True)
class Evaluated:
    """An evaluation, and how the model answers, for its card."""

    evaluation: Evaluation
    reference: ReferenceDistribution


def evaluate(
    model: EvaluatedModel, split: Split, root: Path, narrator: Narrator, *, fit_temperature: bool = False
) -> Evaluated:
    """Asks a model about a split and sums up.

    Args:
        model: whom to ask.
        split: the images.
        root: the dataset's folder.
        narrator: shows how far it is.
        fit_temperature: take the fitted temperature where it makes the held-out log loss better.

    Raises:
        DatasetError: a class that the model does not know, or an image that cannot be read.
    """
    answers = answer_split(model, split, read_classes(root, split), narrator)
    narrator.step("Hashing the split")
    sha256 = split_sha256(split)
    uncalibrated = measure_calibration(tempered(answers.log_probabilities, 1.0), answers.expected)
    calibration = measure_calibration(tempered(answers.log_probabilities, model.temperature), answers.expected)
    fit = cross_fit_temperature(answers.log_probabilities, answers.expected, seed=SEED)
    temperature = model.temperature
    if fit_temperature and fit and fit.is_inner and fit.held_out.log_loss < calibration.log_loss:
        temperature, calibration = fit.temperature, fit.held_out
    final = tempered(answers.log_probabilities, temperature)
    places = ranks(answers.log_probabilities, answers.expected)
    predicted = answers.log_probabilities.argmax(axis=1)
    evaluation = Evaluation(
        model=model.name,
        kind=model.kind,
        model_sha256=model.sha256,
        classes=len(model.classes),
        dataset_classes=len(split.class_names),
        split=f"{split.name} of {root.resolve().name}",
        split_sha256=sha256,
        images=len(places),
        top1=wilson_share(int((places == 0).sum()), len(places)),
        top5=wilson_share(int((places < 5).sum()), len(places)),
        temperature=temperature,
        calibration=calibration,
        uncalibrated=uncalibrated,
        fit=fit,
        by_class=accuracy_by_class(answers.expected, predicted, model.classes),
        confusions=confusions(answers.expected, predicted, model.classes),
        answers=_columns(answers, predicted, final),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return Evaluated(evaluation, reference_distribution(np.exp(final).astype(np.float32)))


def worst_errors(evaluation: Evaluation, count: int) -> Sequence[int]:
    """Gives the places of the wrong first answers that the model was surest of, the surest first."""
    answers = evaluation.answers
    wrong = np.flatnonzero(~answers.right)
    surest = wrong[np.argsort(-np.array(answers.probabilities)[wrong], kind="stable")]
    return [int(place) for place in surest[:count]]


def _columns(answers: Answers, predicted: NDArray[np.intp], final: NDArray[np.float64]) -> ImageAnswers:
    return ImageAnswers(
        tuple(answers.names),
        tuple(answers.expected.tolist()),
        tuple(predicted.tolist()),
        tuple(np.exp(final.max(axis=1)).round(6).tolist()),
    )
