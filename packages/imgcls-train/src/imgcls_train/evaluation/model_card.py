"""Writes into the card of a trained model's folder, all at once or not at all."""

from __future__ import annotations

from pathlib import Path

import msgspec
from imgcls_networks.models.trained_model import CARD_NAME, TrainedModel

from imgcls_train.errors import RunError
from imgcls_train.evaluation.measurement import Evaluated
from imgcls_train.training.run_folder import write_atomically


def record_evaluation(folder: Path, evaluated: Evaluated) -> None:
    """Puts an evaluation, its temperature and the reference distribution into `model.json`.

    Raises:
        RunError: the folder cannot be written; the card is as it was.
    """
    card = msgspec.structs.replace(
        TrainedModel.read(folder),
        evaluation=evaluated.evaluation.summary,
        temperature=evaluated.evaluation.temperature,
        reference=evaluated.reference,
    )
    try:
        write_atomically(folder / CARD_NAME, card.to_json())
    except OSError as error:
        raise RunError(
            f"{str(folder / CARD_NAME)!r} cannot be written: {error.strerror or error}. It is as it was."
        ) from error
