"""Writes into the card of a trained model's folder, all at once or not at all."""

from __future__ import annotations

from pathlib import Path

import msgspec
from imgcls_cli.files import replace_file
from imgcls_networks.models.trained_model import CARD_NAME, TrainedModel

from imgcls_train.evaluation.measurement import Evaluated


def record_evaluation(folder: Path, evaluated: Evaluated) -> None:
    """Puts an evaluation, its temperature and the reference distribution into `model.json`.

    Raises:
        FileWriteError: the folder cannot be written; the card is as it was.
    """
    card = msgspec.structs.replace(
        TrainedModel.read(folder),
        evaluation=evaluated.evaluation.summary,
        temperature=evaluated.evaluation.temperature,
        reference=evaluated.reference,
    )
    replace_file(folder / CARD_NAME, card.to_json(), durable=True)
