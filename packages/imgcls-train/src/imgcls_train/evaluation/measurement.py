"""Asks a model about a split and sums up what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from imgcls_cli.progress import Progress
from imgcls_core.artifact import ReferenceDistribution
from imgcls_core.artifact.answer_bins import reference_distribution
from numpy.typing import NDArray

from imgcls_train.data.dataset import read_classes
from imgcls_train.data.split import Split, split_sha256
from imgcls_train.evaluation.accuracy import accuracy_by_class, confusions, ranks, wilson_share
from imgcls_train.evaluation.answers import SplitAnswers, answer_split
from imgcls_train.evaluation.calibration import cross_fit_temperature, measure_calibration, tempered
from imgcls_train.evaluation.document import SEED, Evaluation, ImageAnswers
from imgcls_train.evaluation.evaluated_model import EvaluatedModel


@dataclass(frozen=True)
class Evaluated:
    """An evaluation, and how the model answers, for its card."""

    evaluation: Evaluation
    reference: ReferenceDistribution


def evaluate(
    model: EvaluatedModel, split: Split, root: Path, progress: Progress, *, fit_temperature: bool = False
) -> Evaluated:
    """Asks a model about a split and sums up.

    Args:
        model: whom to ask.
        split: the images.
        root: the dataset's folder.
        progress: shows how far it is.
        fit_temperature: take the fitted temperature where it makes the held-out log loss better.

    Raises:
        DatasetError: a class that the model does not know, or an image that cannot be read.
    """
    answers = answer_split(model, split, read_classes(root, split), progress)
    progress.step("Hashing the split")
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
        precision=model.precision,
    )
    return Evaluated(evaluation, reference_distribution(np.exp(final).astype(np.float32)))


def _columns(answers: SplitAnswers, predicted: NDArray[np.intp], final: NDArray[np.float64]) -> ImageAnswers:
    return ImageAnswers(
        tuple(answers.names),
        tuple(answers.expected.tolist()),
        tuple(predicted.tolist()),
        tuple(np.exp(final.max(axis=1)).round(6).tolist()),
    )
