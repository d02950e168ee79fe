"""The reply of `/drift`: what a model answers, against what it answered when it was evaluated."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from imgcls_contract.classification import ModelId


class AnswerHistograms(Struct, frozen=True):
    """The same answers counted in three ways."""

    answers: Annotated[int, Meta(ge=0)]
    classes: Annotated[list[int], Meta(description="By first answer, in the order of the classes.")]
    confidence: Annotated[list[int], Meta(description="By its probability, in bins of equal width from 0 to 1.")]
    entropy: Annotated[list[int], Meta(description="By entropy over its maximum, in bins of equal width, 0 to 1.")]


class ReferenceReply(Struct, frozen=True):
    """How the model answers images of the kind it was made for; shares sum to 1."""

    images: Annotated[int, Meta(ge=1, description="How many it was measured on.")]
    class_shares: list[float]
    confidence_shares: list[float]
    entropy_shares: list[float]


DriftStatus = Literal["stable", "drifted", "too_few_answers", "reference_too_small"]


class DriftReply(Struct, frozen=True):
    """How far one distribution has moved, judged by the reply's `limit_psi`."""

    status: Annotated[
        DriftStatus,
        Meta(
            description="`drifted`: `psi` is above the limit, over enough answers. `too_few_answers`: fewer than "
            "`answers_needed`. `reference_too_small`: the reference has too few images for this limit, so that no "
            "number of answers is enough."
        ),
    ]

    psi: Annotated[float | None, Meta(description="Population stability index; null without answers.")]
    jensen_shannon: Annotated[float | None, Meta(description="Distance in bits, 0 to 1; null without answers.")]
    answers_needed: Annotated[
        int | None,
        Meta(description="From so many on chance alone stays below the limit; null: the reference has too few images."),
    ]


class DriftFiguresReply(Struct, frozen=True):
    """The window against the reference."""

    classes: DriftReply
    confidence: DriftReply
    entropy: DriftReply


class ModelDriftReply(Struct, frozen=True):
    """What a model answers, and what it answered when it was evaluated."""

    model: ModelId
    limit_psi: Annotated[
        float, Meta(description="The limit asked for: an index above it, over enough answers, is drift.")
    ]
    window_s: Annotated[float, Meta(description="How far back the window looks, in s.")]
    window: AnswerHistograms
    since_load: AnswerHistograms
    reference: Annotated[ReferenceReply | None, Meta(description="Null where the artifact carries none.")]
    drift: Annotated[DriftFiguresReply | None, Meta(description="Null where there is no reference.")]
