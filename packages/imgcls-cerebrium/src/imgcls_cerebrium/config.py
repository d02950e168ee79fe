"""The keys of `cerebrium.toml`, their types and ranges; unknown keys are errors: the platform ignores them silently.

What matters in production is required here although the platform has defaults: a key that is left out goes back to its
default with every deployment. Knows nothing of the Dockerfile or of files; `cross_checks` does.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from imgcls_cerebrium.errors import CerebriumError

Endpoint = Annotated[str, Field(pattern=r"^/[A-Za-z0-9/_-]+$")]
Globs = Annotated[list[str], Field(min_length=1)]


class ConfigError(CerebriumError):
    """`cerebrium.toml` cannot be used; `faults` has one sentence for each reason."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class _StrictTable(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DeploymentTable(_StrictTable):
    """`[cerebrium.deployment]`."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")]
    disable_auth: Literal[False]
    include: Globs
    exclude: Globs
    deployment_initialization_timeout: Annotated[int, Field(ge=60, le=830)]


class CustomRuntimeTable(_StrictTable):
    """`[cerebrium.runtime.custom]`; no `entrypoint`: the Dockerfile has a CMD."""

    dockerfile_path: str
    port: Annotated[int, Field(ge=1, le=65535)]
    healthcheck_endpoint: Endpoint
    readycheck_endpoint: Endpoint


class RuntimeTable(_StrictTable):
    """`[cerebrium.runtime]`."""

    custom: CustomRuntimeTable
    container_runtime: Literal["v1", "v2"] | None = None


class HardwareTable(_StrictTable):
    """`[cerebrium.hardware]`; memory in GB."""

    compute: Annotated[str, Field(min_length=1)] | Annotated[list[str], Field(min_length=1, max_length=5)]
    gpu_count: Annotated[int, Field(ge=0, le=8)]
    cpu: Annotated[float, Field(gt=0)]
    memory: Annotated[float, Field(gt=0)]
    region: str
    provider: Literal["aws", "crusoe", "nebius"] | None = None

    @property
    def kinds(self) -> list[str]:
        """The kinds of machine, in order of preference."""
        return [self.compute] if isinstance(self.compute, str) else self.compute

    @property
    def has_gpu(self) -> bool:
        """Whether every machine has a GPU."""
        return "CPU" not in self.kinds


class ScalingTable(_StrictTable):
    """`[cerebrium.scaling]`; times in seconds."""

    min_replicas: Annotated[int, Field(ge=0, le=2000)]
    max_replicas: Annotated[int, Field(ge=1, le=2000)]
    replica_concurrency: Annotated[int, Field(ge=1)]
    scaling_metric: Literal["concurrency_utilization", "requests_per_second", "cpu_utilization", "memory_utilization"]
    scaling_target: Annotated[int, Field(ge=1)]
    scaling_buffer: Annotated[int, Field(ge=0)]
    cooldown: Annotated[int, Field(ge=0, le=3600)]
    response_grace_period: Annotated[int, Field(ge=16, le=43200)]
    evaluation_interval_seconds: Annotated[int, Field(ge=6, le=300)]
    load_balancing_algorithm: Literal["round-robin", "first-available", "min-connections", "random-choice-2"]
    compute_tier: Literal["interruptible", "protected"]
    # The two published ranges differ (600, 21600); the smaller is in both.
    roll_out_duration_seconds: Annotated[int, Field(ge=0, le=600)]


class CerebriumConfig(_StrictTable):
    """`[cerebrium]`; no `dependencies`: ignored beside a Dockerfile, they can still overwrite files of their name."""

    deployment: DeploymentTable
    runtime: RuntimeTable
    hardware: HardwareTable
    scaling: ScalingTable


class _File(_StrictTable):
    cerebrium: CerebriumConfig


def read_config(path: Path) -> CerebriumConfig:
    """Reads and checks the file.

    Raises:
        ConfigError: it is missing, is not TOML, or has a key or value that is not allowed; names each.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError([f"There is no {path}; run this in the repository's root, where it lies."]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path.name} is not TOML: {error}."]) from None
    try:
        return _File.model_validate(tables).cerebrium
    except ValidationError as error:
        raise ConfigError([_sentence(fault) for fault in error.errors()]) from None


def _sentence(fault: ErrorDetails) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{where}: there is no such key; the platform would ignore it."
    if fault["type"] == "missing":
        return f"{where} is missing; a key that is left out falls back to the platform's default on every deployment."
    if where.endswith("disable_auth"):
        return f"{where} is {fault['input']!r}; it must be false, or everybody can call the service at your cost."
    return f"{where} is {fault['input']!r}: {fault['msg']}."
