"""The replies of `/health` and `/ready`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from imgcls_contract.classification import ModelId


class HealthModel(ModelId, frozen=True):
    """The default model."""

    classes: int


class Gpu(Struct, frozen=True):
    """What the NVIDIA driver says."""

    present: bool
    reason: str


class HealthReply(Struct, frozen=True):
    """The process and its machine."""

    status: str
    model: HealthModel | None
    provider: str | None
    gpu: Gpu
    memory: Annotated[dict[str, int], Meta(description="In bytes.")]
    disk: Annotated[dict[str, int], Meta(description="In bytes.")]
    uptime_s: float
    versions: dict[str, str]


class ReadyReply(Struct, frozen=True):
    """The service answers."""

    ready: bool
    model: ModelId
    provider: str
