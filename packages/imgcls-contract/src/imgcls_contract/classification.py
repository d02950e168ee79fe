"""The answer for one image, and what it is made of; how JSON becomes a reply, on any thread."""

from __future__ import annotations

import threading
from functools import cache
from typing import Annotated, Any, Final

from msgspec import Meta, Struct
from msgspec.json import Decoder

_BUILDING: Final = threading.Lock()

_ClassId = Annotated[int, Meta(ge=0, description="Place of the class in the network's output.")]
_Share = Annotated[float, Meta(ge=0, le=1)]
_Top = Annotated[list["ClassProbability"], Meta(description="The `top_k` most probable classes, best first.")]
_Whole = Annotated[list[float], Meta(description="Of every class in order, with `probabilities=true`.")]
_BatchSize = Annotated[int, Meta(ge=1, description="Images that shared the inference.")]


class ClassProbability(Struct, frozen=True):
    """One class of an answer."""

    class_id: _ClassId
    label: str
    probability: _Share


class ModelId(Struct, frozen=True):
    """Which artifact answered."""

    name: Annotated[str, Meta(description="What `model` in a request calls it.")]
    sha256: Annotated[str, Meta(description="Of the artifact, as hex.")]


class StageTimingMs(Struct, frozen=True):
    """Where an image's time went, in milliseconds."""

    decode: Annotated[float, Meta(description="Decoding and the exact shrink to the network's size.")]
    queue: Annotated[float, Meta(description="Waiting for a thread and for the batch.")]
    inference: Annotated[float, Meta(description="The batch in the network.")]


class TimingMs(StageTimingMs, frozen=True):
    """Where the request's time went, in milliseconds."""

    total: Annotated[float, Meta(description="From the request's headers to this answer.")]


class ImageAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer for one image; `class_id`, `label` and `probability` are those of the most probable class."""

    class_id: _ClassId
    label: str
    probability: _Share
    top: _Top
    probabilities: _Whole | None = None
    timing_ms: StageTimingMs
    batch_size: _BatchSize


class Prediction(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer for one image; `class_id`, `label` and `probability` are those of the most probable class."""

    class_id: _ClassId
    label: str
    probability: _Share
    top: _Top
    probabilities: _Whole | None = None
    model: ModelId
    timing_ms: TimingMs
    batch_size: _BatchSize
    request_id: str


@cache
def decoder_of(kind: Any) -> Decoder[Any]:  # noqa: ANN401 - every type that JSON can be read as
    """Gives the decoder of a type.

    msgspec 0.22 works out a struct when it first meets it, and a thread that decodes one that another is still working
    out ends the process (a null pointer). Whatever several threads read is read by these, which are built one by one.
    """
    with _BUILDING:
        return Decoder(kind)
