"""The reply of `/models`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from imgcls_contract.accuracy import Accuracy


class ModelReply(Struct, frozen=True):
    """One model that is there."""

    name: Annotated[str, Meta(description="What `model` in a request calls it.")]
    loaded: Annotated[
        bool, Meta(description="Whether it is in memory; with `IMGCLS_MODELS_MEMORY` others are loaded when asked for.")
    ]
    default: Annotated[bool, Meta(description="Whether it answers requests that name no model.")]
    sha256: str | None = None
    artifact_name: Annotated[str | None, Meta(description="What the artifact calls itself.")] = None
    architecture: str | None = None
    precision: str | None = None
    classes: int | None = None
    input_size: Annotated[list[int] | None, Meta(description="Height and width in pixels.")] = None
    decode: Annotated[
        str | None, Meta(description="`exact`, or `scaled`: large JPEGs are decoded at 1/2, 1/4 or 1/8.")
    ] = None
    provider: str | None = None
    sealed: Annotated[bool | None, Meta(description="Whether the artifact is as it was written.")] = None
    seal: Annotated[str | None, Meta(description="SHA-256 over everything that decides an answer.")] = None
    signed_by: Annotated[tuple[str, ...] | None, Meta(description="Ids of the keys whose signature was checked.")] = (
        None
    )
    terms: Annotated[str | None, Meta(description="Under which the weights may be used.")] = None
    accuracy: Annotated[
        Accuracy | None, Meta(description="What it reached before it was served; null where unsaid.")
    ] = None
    memory_bytes: Annotated[int | None, Meta(description="What it takes while it is in memory.")] = None


class ModelsReply(Struct, frozen=True):
    """The models that are there, loaded or not."""

    default: str | None
    models: list[ModelReply]
