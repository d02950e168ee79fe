"""Requests and replies as they are on the wire."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError


class Reply(BaseModel):
    """Base of the replies."""

    model_config = ConfigDict(frozen=True)


class ClassProbability(Reply):
    """One class of an answer."""

    class_id: Annotated[int, Field(ge=0, description="Place of the class in the network's output.")]
    label: str
    probability: Annotated[float, Field(ge=0, le=1)]


class ModelId(Reply):
    """Which artifact answered."""

    name: Annotated[str, Field(description="What `model` in a request calls it.")]
    sha256: Annotated[str, Field(description="Of the artifact, as hex.")]


class StageTimingMs(Reply):
    """Where an image's time went, in milliseconds."""

    decode: Annotated[float, Field(description="Decoding and the exact shrink to the network's size.")]
    queue: Annotated[float, Field(description="Waiting for a thread and for the batch.")]
    inference: Annotated[float, Field(description="The batch in the network.")]


class TimingMs(StageTimingMs):
    """Where the request's time went, in milliseconds."""

    total: Annotated[float, Field(description="From the request's headers to this answer.")]


class ImageAnswer(Reply):
    """The answer for one image; `class_id`, `label` and `probability` are those of the most probable class."""

    class_id: int
    label: str
    probability: float
    top: Annotated[list[ClassProbability], Field(description="The `top_k` most probable classes, best first.")]
    probabilities: Annotated[
        list[float] | None, Field(description="Of every class in order, with `probabilities=true`.")
    ] = None
    timing_ms: StageTimingMs
    batch_size: Annotated[int, Field(ge=1, description="Images that shared the inference.")]


class PredictReply(Reply):
    """The answer for one image; `class_id`, `label` and `probability` are those of the most probable class."""

    class_id: int
    label: str
    probability: float
    top: Annotated[list[ClassProbability], Field(description="The `top_k` most probable classes, best first.")]
    probabilities: Annotated[
        list[float] | None, Field(description="Of every class in order, with `probabilities=true`.")
    ] = None
    model: ModelId
    timing_ms: TimingMs
    batch_size: Annotated[int, Field(ge=1, description="Images that shared the inference.")]
    request_id: str


class ImageFault(Reply):
    """What was wrong with one image of several, as in a problem document."""

    type: str
    title: str
    status: int
    detail: str
    code: str


class FailedImage(Reply):
    """The place of an image that has no answer."""

    error: ImageFault


class BatchReply(Reply):
    """The answers for several images, in their order; a bad image is an error in its own place."""

    results: list[ImageAnswer | FailedImage]
    model: ModelId
    total_ms: Annotated[float, Field(description="From the request's headers to this answer, in ms.")]
    request_id: str


class ModelReply(Reply):
    """One model that is there."""

    name: Annotated[str, Field(description="What `model` in a request calls it.")]
    loaded: bool
    default: Annotated[bool, Field(description="Whether it answers requests that name no model.")]
    sha256: str | None = None
    artifact_name: Annotated[str | None, Field(description="What the artifact calls itself.")] = None
    architecture: str | None = None
    precision: str | None = None
    classes: int | None = None
    input_size: Annotated[list[int] | None, Field(description="Height and width in pixels.")] = None
    provider: str | None = None


class ModelsReply(Reply):
    """The models that are there, loaded or not."""

    default: str | None
    models: list[ModelReply]


class AnswerHistograms(Reply):
    """The same answers counted in three ways."""

    answers: Annotated[int, Field(ge=0)]
    classes: Annotated[list[int], Field(description="By first answer, in the order of the classes.")]
    confidence: Annotated[list[int], Field(description="By its probability, in bins of equal width from 0 to 1.")]
    entropy: Annotated[list[int], Field(description="By entropy over its maximum, in bins of equal width, 0 to 1.")]


class ReferenceReply(Reply):
    """How the model answers images of the kind it was made for; shares sum to 1."""

    images: Annotated[int, Field(ge=1, description="How many it was measured on.")]
    class_shares: list[float]
    confidence_shares: list[float]
    entropy_shares: list[float]


class DriftReply(Reply):
    """How far one distribution has moved."""

    psi: Annotated[float | None, Field(description="Population stability index; null without answers.")]
    jensen_shannon: Annotated[float | None, Field(description="Distance in bits, 0 to 1; null without answers.")]
    answers_needed: Annotated[
        int | None,
        Field(
            description="From so many on chance alone stays below the limit; null: the reference has too few images."
        ),
    ]


class DriftFiguresReply(Reply):
    """The window against the reference."""

    classes: DriftReply
    confidence: DriftReply
    entropy: DriftReply


class ModelDriftReply(Reply):
    """What a model answers, and what it answered when it was evaluated."""

    model: ModelId
    limit_psi: Annotated[float, Field(description="An index above it, over enough answers, is drift.")]
    window_s: Annotated[float, Field(description="How far back the window looks, in s.")]
    window: AnswerHistograms
    since_load: AnswerHistograms
    reference: Annotated[ReferenceReply | None, Field(description="Null where the artifact carries none.")]
    drift: Annotated[DriftFiguresReply | None, Field(description="Null where there is no reference.")]


class PredictJson(BaseModel):
    """An image in JSON: itself, or where it is."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["image_base64"]}, {"required": ["image_url"]}]}
    )

    image_base64: Annotated[
        str | SkipJsonSchema[None], Field(description="The encoded image (JPEG, PNG, WebP, BMP, GIF or TIFF).")
    ] = None
    image_url: Annotated[
        str | SkipJsonSchema[None], Field(description="An http or https URL, where `IMGCLS_ALLOW_URLS` is on.")
    ] = None

    @model_validator(mode="after")
    def _exactly_one(self) -> PredictJson:
        if (self.image_base64 is None) == (self.image_url is None):
            raise PydanticCustomError("one_of", "either `image_base64` or `image_url` is needed")
        return self


class BatchJson(BaseModel):
    """A request body with several images as JSON."""

    images: Annotated[list[PredictJson], Field(min_length=1)]


class HealthModel(ModelId):
    """The default model."""

    classes: int


class Gpu(Reply):
    """What the NVIDIA driver says."""

    present: bool
    reason: str


class HealthReply(Reply):
    """The process and its machine."""

    status: str
    model: HealthModel | None
    provider: str | None
    gpu: Gpu
    memory: Annotated[dict[str, int], Field(description="In bytes.")]
    disk: Annotated[dict[str, int], Field(description="In bytes.")]
    uptime_s: float
    versions: dict[str, str]


class ReadyReply(Reply):
    """The service answers."""

    ready: bool
    model: ModelId
    provider: str


class GoldenCaseReply(Reply):
    """One golden case: an image and PyTorch's answer."""

    name: str
    image_base64: str
    top: list[ClassProbability]
    expected_class_id: int | None


class GoldenReply(Reply):
    """The artifact's golden cases; answers on this deployment lie within `tolerance` of them."""

    model: ModelId
    precision: str
    tolerance: Annotated[float, Field(description="Largest difference of a probability.")]
    cases: list[GoldenCaseReply]


class ProblemReply(BaseModel):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: Annotated[str, Field(description="Stable; tells one kind of problem from another.")]
    request_id: str
