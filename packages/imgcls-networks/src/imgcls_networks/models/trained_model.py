"""A trained model's folder: `model.json` says what it is, `model.safetensors` holds its weights.

`imgcls-train fit` writes such folders; conversion takes one as MODEL. The bundled model is one too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from imgcls_core.artifact import ClassInfo, Preprocessing, ReferenceDistribution
from msgspec import Meta

from imgcls_networks.errors import RequestError

CARD_NAME: Final = "model.json"
WEIGHTS_NAME: Final = "model.safetensors"
SCHEMA: Final = 1

# Becomes a file name: no folders, nothing hidden, no control characters.
_Name = Annotated[str, Meta(pattern=r"\A[^/\\.\x00-\x1f][^/\\\x00-\x1f]{0,99}\Z")]
_Temperature = Annotated[float, Meta(gt=0, le=1000)]


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
        architecture: one that `imgcls_networks.architectures.architecture` builds.
        classes: in order of the output.
        preprocessing: what the network was trained for.
        training: recipe and outcome, for users; free in form.
        temperature: the logits are divided by it before the softmax; 1 leaves them as they are.
        evaluation: on a split it was not trained on; None until `imgcls-train evaluate` has run.
        reference: how it answers that split; None until `imgcls-train evaluate` has run.
        terms: where the data and weights come from, and under what terms they may be used.
    """

    name: _Name
    architecture: str
    classes: Annotated[tuple[ClassInfo, ...], Meta(min_length=2)]
    preprocessing: Preprocessing
    training: dict[str, Any]
    temperature: _Temperature = 1.0
    evaluation: EvaluationSummary | None = None
    reference: ReferenceDistribution | None = None
    terms: str = ""
    schema: Literal[1] = SCHEMA

    def __post_init__(self) -> None:
        if [entry.id for entry in self.classes] != list(range(len(self.classes))):
            raise ValueError("its classes must be numbered 0, 1, 2, … in order")
        if self.reference is not None and len(self.reference.class_shares) != len(self.classes):
            raise ValueError(
                f"its reference distribution has {len(self.reference.class_shares)} classes, "
                f"the model {len(self.classes)}"
            )

    @classmethod
    def read(cls, folder: Path) -> TrainedModel:
        """Reads the card of a trained model's folder.

        Raises:
            RequestError: no such file, or not a card that this version reads.
        """
        path = folder / CARD_NAME
        try:
            content = path.read_bytes()
        except OSError as error:
            raise RequestError(
                f"{str(folder)!r} holds no trained model: {CARD_NAME} cannot be read ({error.strerror or error}). "
                "Name a folder that `imgcls-train fit DATASET` has written; a folder of images is a DATASET."
            ) from error
        try:
            found = msgspec.json.decode(content, type=_Versioned).schema
            if found > SCHEMA:
                raise RequestError(
                    f"{str(path)!r} has the schema {found}; this version reads {SCHEMA}. Upgrade imgcls-convert."
                )
            return msgspec.json.decode(content, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RequestError(f"{str(path)!r} is not the card of a trained model: {error}.") from error

    def to_json(self) -> bytes:
        """Gives the card as readable JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def card_words(card: TrainedModel) -> str:
    """Says what there is to know of the weights, in one line that travels with the artifact."""
    parts = [card.name]
    if card.temperature != 1:
        parts.append(f"temperature {card.temperature:.4g}")
    if card.evaluation is not None:
        parts.append(evaluation_words(card.evaluation))
    return "; ".join(parts)


def evaluation_words(found: EvaluationSummary) -> str:
    """Gives the accuracy in one line."""
    return f"top-1 {found.top1_pct:.2f} %, top-5 {found.top5_pct:.2f} % on {found.images} images of {found.split}"


class _Versioned(msgspec.Struct):
    """What every version of a card has."""

    schema: int = SCHEMA
