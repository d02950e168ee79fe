"""A trained model's folder: `model.json` says what it is, `model.safetensors` holds its weights.

`imgcls-train fit` writes such folders; conversion takes one as MODEL. The bundled model is one too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from imgcls_core.artifact import ClassInfo, Preprocessing, ReferenceDistribution

from imgcls_convert.errors import RequestError

CARD_NAME: Final = "model.json"
WEIGHTS_NAME: Final = "model.safetensors"


class EvaluationSummary(msgspec.Struct, frozen=True):
    """What a trained model reached on a split that it was not trained on.

    Args:
        split: where the images are from; two models are compared only on the same one.
        split_sha256: hash over the names and contents of the split's samples.
        images: how many.
        top1_pct: share of the images whose first answer is right.
        top5_pct: share of the images whose right class is among the first five.
        ece: expected calibration error in 15 bins, 0 to 1, after the temperature.
        log_loss: mean negative log-likelihood in nats, after the temperature.
    """

    split: str
    split_sha256: str
    images: int
    top1_pct: float
    top5_pct: float
    ece: float
    log_loss: float


class TrainedModel(msgspec.Struct, frozen=True, omit_defaults=True):
    """The card of a trained model, `model.json`.

    Args:
        name: short, usable as a file name.
        architecture: one that `imgcls_convert.architectures` builds.
        classes: in order of the output.
        preprocessing: what the network was trained for.
        training: recipe and outcome, for people; free in form.
        temperature: the logits are divided by it before the softmax; 1 leaves them as they are.
        evaluation: on a split it was not trained on; None until `imgcls-train evaluate` has run.
        reference: how it answers that split; None until `imgcls-train evaluate` has run.
        terms: where the data and weights come from, and under what terms they may be used.
    """

    name: str
    architecture: str
    classes: tuple[ClassInfo, ...]
    preprocessing: Preprocessing
    training: dict[str, Any]
    temperature: float = 1.0
    evaluation: EvaluationSummary | None = None
    reference: ReferenceDistribution | None = None
    terms: str = ""
    schema: Literal[1] = 1

    @classmethod
    def read(cls, folder: Path) -> TrainedModel:
        """Reads the card of a trained model's folder.

        Raises:
            RequestError: no such file, or not a card that this version reads.
        """
        path = folder / CARD_NAME
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except OSError as error:
            raise RequestError(
                f"{str(folder)!r} holds no trained model: {CARD_NAME} cannot be read ({error})."
            ) from error
        except msgspec.DecodeError as error:
            raise RequestError(f"{str(path)!r} is not the card of a trained model: {error}.") from error

    def to_json(self) -> bytes:
        """Gives the card as readable JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"
