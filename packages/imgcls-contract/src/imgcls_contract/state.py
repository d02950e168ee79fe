"""The replies of `/health` and `/ready`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from imgcls_contract.classification import ModelId


class HealthModel(ModelId, frozen=True):
    """The default model."""

    classes: int
    sealed: Annotated[bool, Meta(description="Whether the artifact is as it was written.")] = False
    seal: Annotated[str | None, Meta(description="SHA-256 over everything that decides an answer.")] = None
    signed_by: Annotated[tuple[str, ...], Meta(description="Ids of the keys whose signature was checked.")] = ()
    terms: Annotated[str | None, Meta(description="Under which the weights may be used; null where unsaid.")] = None


class Gpu(Struct, frozen=True):
    """What the NVIDIA driver says."""

    present: bool
    reason: str


class HealthReply(Struct, frozen=True):
    """The process and its machine."""

    status: str
    model: HealthModel | None
    provider: Annotated[
        str | None, Meta(description="`cpu` and `cuda` are ONNX Runtime, `openvino-fp32` OpenVINO and its precision.")
    ]
    gpu: Gpu
    memory: Annotated[dict[str, int], Meta(description="In bytes.")]
    disk: Annotated[dict[str, int], Meta(description="In bytes.")]
    uptime_s: float
    versions: dict[str, str]
    provider_reason: Annotated[str | None, Meta(description="Why this provider was taken.")] = None


class ReadyReply(Struct, frozen=True):
    """The service answers."""

    ready: bool
    model: Annotated[ModelId | None, Meta(description="Null to callers without a key, where keys are needed.")]
    provider: str | None
