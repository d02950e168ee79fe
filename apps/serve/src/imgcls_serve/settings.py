"""Every setting of the service; the only module that reads the environment."""

from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

from imgcls_core.artifact.signature import PublicKey, read_public_key, require_cryptography
from imgcls_core.errors import TrustError
from imgcls_core.images.decode import PILLOW_MAX_PIXELS
from imgcls_core.inference.providers import ProviderRequest
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "IMGCLS_"
_MIN_KEY_LENGTH = 8
# Of the other members' commands, which may share an environment with the service.
_OF_OTHERS = frozenset(
    f"{PREFIX}{name}"
    for name in (
        *("URL", "API_KEY", "PROFILE", "CONFIG", "DEBUG", "CACHE_DIR", "TEST_DATA"),
        *("PLATFORM_TOKEN", "PLATFORM_URL", "PLATFORM_REST_URL"),
    )
)
_SECRETS = frozenset({"api_keys", "admin_token"})


class InvalidSettingError(ValueError):
    """A setting has a value that is not allowed; the message is one line for each."""


class Settings(BaseSettings):
    """Settings, each from the environment as `IMGCLS_` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    model: Annotated[Path | None, Field(description="Artifact to serve.")] = None
    models_dir: Annotated[
        Path | None, Field(description="Folder of artifacts, each by its file's name, or a model store.")
    ] = None
    default_model: Annotated[
        str | None, Field(min_length=1, description="Model for requests that name none; else `model`, else the first.")
    ] = None
    host: Annotated[str, Field(min_length=1, description="Address to listen on; `0.0.0.0` for all (containers).")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Field(ge=0, le=65535, description="Port to listen on; 0 takes a free one.")] = 8192
    root_path: Annotated[
        str | None,
        Field(
            pattern=r"^(/[A-Za-z0-9._~-]+)+$",
            description="Prefix under which a proxy publishes the service, and which it strips, such as `/imgcls`; "
            "OpenAPI then names it. Pages need no setting: open `/imgcls/`, with the slash.",
        ),
    ] = None
    provider: Annotated[
        ProviderRequest,
        Field(
            description="What runs the network. `auto` takes CUDA when it is usable, else the faster of the installed "
            "engines; a named one never falls back. `cpu`: ONNX Runtime. `openvino`, an extra: int8 stays, else fp32."
        ),
    ] = "auto"
    thread_layout: Annotated[
        Literal["auto", "parallel", "wide"],
        Field(
            description="`parallel`: one single-threaded inference per core (best on CPUs); `wide`: one inference at a "
            "time with all cores or the GPU, fed by decode threads; `auto` decides by provider."
        ),
    ] = "auto"
    threads: Annotated[
        int, Field(ge=0, le=1024, description="Processors to use; 0 counts those that the process may use.")
    ] = 0
    workers: Annotated[
        int, Field(ge=1, le=256, description="Processes that serve as one, each with its share of the processors.")
    ] = 1
    max_batch: Annotated[
        int,
        Field(
            ge=0,
            le=1024,
            description="Most images in one inference; 0 takes 1 (`parallel`) or 32 (`wide`). On a CPU `parallel` "
            "takes at most 4.",
        ),
    ] = 0
    max_wait_ms: Annotated[
        float, Field(ge=0, le=1000, description="How long an inference may wait for its batch to fill, in ms.")
    ] = 0.0
    queue_size: Annotated[
        int,
        Field(
            ge=0,
            le=100_000,
            description="Most images accepted and unanswered; beyond that: 503. 0 takes as many as are answered within "
            "`IMGCLS_REQUEST_TIMEOUT_MS`, at least 128.",
        ),
    ] = 0
    full_at: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Share of the queue from which `/ready` says 503 `queue_full`, until half of that is done, so "
            "that a balancer sends images elsewhere; 0 never.",
        ),
    ] = 0.0
    max_image_bytes: Annotated[int, Field(ge=1, le=1_000_000_000, description="Largest encoded image, in bytes.")] = (
        20_000_000
    )
    max_image_pixels: Annotated[
        int, Field(ge=1, le=PILLOW_MAX_PIXELS, description="Largest image, width × height in pixels.")
    ] = 25_000_000
    max_decoding_pixels: Annotated[
        int,
        Field(
            ge=1,
            le=100_000_000_000,
            description="Most pixels decoded at a time by all threads together, of up to 20 bytes each; more wait. "
            "Half as many may be decoded beside them in processes of their own, of up to 28 bytes each.",
        ),
    ] = 100_000_000
    max_body_bytes: Annotated[
        int, Field(ge=1, le=10_000_000_000, description="Largest body of a request with several images, in bytes.")
    ] = 100_000_000
    max_inflight_bytes: Annotated[
        int, Field(ge=1, le=1_000_000_000_000, description="Most bytes of all bodies held at a time; beyond that: 503.")
    ] = 500_000_000
    max_images: Annotated[
        int, Field(ge=1, le=10_000, description="Most images in one request to `/predict/batch` or `/v2`.")
    ] = 64
    request_timeout_ms: Annotated[
        int, Field(ge=1, le=3_600_000, description="Deadline of a request without `X-Request-Timeout-Ms`, in ms.")
    ] = 10_000
    max_request_timeout_ms: Annotated[
        int, Field(ge=1, le=3_600_000, description="Longest deadline that a request may ask for, in ms.")
    ] = 60_000
    header_timeout_s: Annotated[
        float, Field(gt=0, le=3600, description="How long a connection may take to send a request's headers, in s.")
    ] = 10.0
    write_timeout_s: Annotated[
        float, Field(gt=0, le=3600, description="How long an answer may wait for its caller to read it, in s.")
    ] = 30.0
    max_connections: Annotated[
        int, Field(ge=1, le=1_000_000, description="Most connections at a time; an idle one makes way, else 503.")
    ] = 1024
    drain_timeout_s: Annotated[
        float, Field(ge=0, le=3600, description="How long SIGTERM waits for accepted requests, in s.")
    ] = 30.0
    allow_urls: Annotated[
        bool, Field(description="Whether `image_url` is fetched; only from public addresses, over http and https.")
    ] = False
    url_timeout_ms: Annotated[
        int, Field(ge=1, le=600_000, description="Longest time for fetching one `image_url`, in ms.")
    ] = 5_000
    load_timeout_s: Annotated[
        float, Field(gt=0, le=3600, description="How long loading a model may take, in s; then it is refused.")
    ] = 120.0
    max_load_bytes: Annotated[
        int,
        Field(
            ge=0,
            le=1_000_000_000_000,
            description="Most bytes of memory that a load may take, else it is refused; 0: 1 GB + 8 × the file.",
        ),
    ] = 0
    models_memory: Annotated[
        int,
        Field(
            ge=0,
            le=1_000_000_000_000,
            description="Most memory for models, in bytes: each is loaded when it is asked for, and the least recently "
            "used one makes way, never the default one. 0 loads all at the start and keeps them.",
        ),
    ] = 0
    models_cache: Annotated[
        Path | None,
        Field(
            description="Folder for the models' graphs, whose weights are mapped into memory and shared by all "
            "processes that name it; nobody else may write there. With `models_memory` a temporary one without."
        ),
    ] = None
    drift_window_s: Annotated[
        int, Field(ge=60, le=604_800, description="How far back the figures of drift look, in s; in twelve steps.")
    ] = 3600
    api_keys: Annotated[
        SecretStr | None,
        Field(description="Keys that callers must send, separated by commas, each of at least 8 characters."),
    ] = None
    admin_token: Annotated[
        SecretStr | None, Field(description="Token that opens the admin routes, at least 8 characters; closed without.")
    ] = None
    cors_origins: Annotated[
        str | None,
        Field(
            pattern=r"^(\*|https?://[^\s/,]+(\s*,\s*https?://[^\s/,]+)*)$",
            description="Origins whose pages may call the service from a browser, separated by commas, such as "
            "`https://example.org`; `*` for all. None may without.",
        ),
    ] = None
    trusted_keys: Annotated[
        str | None,
        Field(
            description="Public Ed25519 keys, separated by commas, each in base64 or as the path of a PEM file; only "
            "artifacts that one of them has signed are served. All are without."
        ),
    ] = None
    log_format: Annotated[
        Literal["auto", "json", "text"],
        Field(description="`text`: a short line for people; `json`; `auto` is `text` in a terminal, else `json`."),
    ] = "auto"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Field(description="Least level logged.")] = (
        "info"
    )

    @model_validator(mode="after")
    def _timeouts_agree(self) -> Settings:
        if self.request_timeout_ms > self.max_request_timeout_ms:
            raise ValueError(
                f"{PREFIX}REQUEST_TIMEOUT_MS is {self.request_timeout_ms}, above "
                f"{PREFIX}MAX_REQUEST_TIMEOUT_MS, {self.max_request_timeout_ms}"
            )
        for name, keys in (("API_KEYS", self.api_key_list), ("ADMIN_TOKEN", self._keys(self.admin_token))):
            if any(len(key) < _MIN_KEY_LENGTH for key in keys):
                raise ValueError(f"{PREFIX}{name} has a key of less than {_MIN_KEY_LENGTH} characters")
        return self

    @model_validator(mode="after")
    def _keys_can_be_used(self) -> Settings:
        try:
            if self.public_keys:
                require_cryptography()
        except TrustError as error:
            raise ValueError(f"{PREFIX}TRUSTED_KEYS cannot be used: {str(error).rstrip('.')}") from None
        return self

    @property
    def public_keys(self) -> tuple[PublicKey, ...]:
        """The keys that artifacts must be signed with; empty when none is needed."""
        return tuple(read_public_key(key.strip()) for key in (self.trusted_keys or "").split(",") if key.strip())

    @property
    def logs_for_people(self) -> bool:
        """Whether lines are short ones for people."""
        return self.log_format == "text" or (self.log_format == "auto" and sys.stdout.isatty())

    @property
    def cors_origin_list(self) -> list[str]:
        """Origins whose pages may call from a browser."""
        return [one.strip() for one in (self.cors_origins or "").split(",") if one.strip()]

    @property
    def api_key_list(self) -> list[str]:
        """The keys of callers; empty when none is needed."""
        return [key.strip() for key in (self._keys(self.api_keys) or [""])[0].split(",") if key.strip()]

    @staticmethod
    def _keys(secret: SecretStr | None) -> list[str]:
        return [secret.get_secret_value()] if secret is not None else []


def read_settings(**given: object) -> Settings:
    """Reads the settings: `given` (from the command line) first, then the environment, then the defaults.

    Raises:
        InvalidSettingError: one line for each wrong value; names the variable, what it holds and what is allowed.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # pyright: ignore[reportArgumentType]
    except ValidationError as error:
        raise InvalidSettingError("\n".join(_sentence(fault) for fault in error.errors())) from None


def unknown_variables() -> list[str]:
    """Says of each variable that begins as a setting and is none which one may be meant."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    sentences: list[str] = []
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known | _OF_OTHERS and not name.endswith("_COMPLETE"):
            near = difflib.get_close_matches(name, known, 1)
            meant = f" Is {near[0]} meant?" if near else ""
            sentences.append(f"{name} is no setting of this service.{meant} `imgcls-serve --settings` lists all.")
    return sentences


def _sentence(fault: ErrorDetails) -> str:
    if not fault["loc"]:
        return f"{fault['msg'].removeprefix('Value error, ')}."
    name = str(fault["loc"][0])
    found = "not allowed" if name in _SECRETS else repr(str(fault["input"]))
    return f"{PREFIX}{name.upper()} is {found}: {fault['msg']}."
