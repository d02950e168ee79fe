"""What a deployment answers, as frozen values. Knows JSON, nothing of the connection it came over."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field

from imgcls_client import json_fields as fields

__all__ = [
    "ClassScore",
    "Golden",
    "GoldenCase",
    "Health",
    "ModelEntry",
    "ModelRef",
    "Prediction",
    "Readiness",
    "read_golden",
    "read_health",
    "read_models",
    "read_prediction",
]


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class and how probable it is (0 to 1)."""

    class_id: int
    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which model answered: its name and the SHA-256 of its artifact."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one picture.

    Attributes:
        class_id: The most probable class, in the model's own order (ImageNet: tench 0, axolotl 29).
        label: Its name.
        probability: 0 to 1.
        top: The most probable classes, best first.
        model: Which model answered.
        timing_ms: The service's own times by stage: decode, queue, inference, total.
        batch_size: How many pictures shared the inference.
        request_id: For finding the call in the service's log.
        probabilities: The whole vector, where it was asked for.
        call_ms: What the caller waited for the answer, network included, retries not.
    """

    class_id: int
    label: str
    probability: float
    top: tuple[ClassScore, ...]
    model: ModelRef
    timing_ms: Mapping[str, float]
    batch_size: int
    request_id: str | None
    probabilities: tuple[float, ...] | None = None
    call_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class GoldenCase:
    """A picture with PyTorch's own answer for it."""

    name: str
    image: bytes
    top: tuple[ClassScore, ...]
    expected_class_id: int | None


@dataclass(frozen=True, slots=True)
class Golden:
    """A model's golden cases and how far an answer may be from them."""

    model: ModelRef
    precision: str
    tolerance: float
    cases: tuple[GoldenCase, ...]


@dataclass(frozen=True, slots=True)
class Health:
    """The state of a service's process; `raw` is the whole body for what has no field here."""

    status: str
    model: ModelRef | None
    classes: int | None
    provider: str | None
    uptime_s: float
    versions: Mapping[str, str]
    raw: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a service takes work, and why not."""

    ready: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model of a service; `raw` is the whole entry for what has no field here."""

    name: str
    sha256: str | None
    is_default: bool
    raw: Mapping[str, object] = field(repr=False)


def read_score(document: dict[str, object]) -> ClassScore:
    """Read one class with its probability."""
    return ClassScore(
        class_id=fields.integer(document, "class_id"),
        label=fields.text(document, "label"),
        probability=fields.number(document, "probability"),
    )


def read_model(value: object) -> ModelRef:
    """Read the reference to a model."""
    document = fields.as_object(value, "model")
    return ModelRef(name=fields.text(document, "name"), sha256=fields.text(document, "sha256"))


def read_prediction(document: dict[str, object], *, call_ms: float = 0.0) -> Prediction:
    """Read the answer to `POST /predict`.

    Raises:
        FieldError: A field is missing or has another type than agreed.
    """
    whole = document.get("probabilities")
    return Prediction(
        class_id=fields.integer(document, "class_id"),
        label=fields.text(document, "label"),
        probability=fields.number(document, "probability"),
        top=tuple(read_score(score) for score in fields.objects(document, "top")),
        model=read_model(document.get("model")),
        timing_ms=fields.number_map(document, "timing_ms"),
        batch_size=fields.integer(document, "batch_size"),
        request_id=fields.optional_text(document, "request_id"),
        probabilities=None if whole is None else read_vector(whole),
        call_ms=call_ms,
    )


def read_vector(value: object) -> tuple[float, ...]:
    """Read a whole vector of probabilities."""
    return tuple(fields.number({"probabilities": item}, "probabilities") for item in fields.as_list(value, "vector"))


def read_golden(document: dict[str, object]) -> Golden:
    """Read the answer to `GET /golden`.

    Raises:
        FieldError: A field is missing or has another type than agreed.
    """
    return Golden(
        model=read_model(document.get("model")),
        precision=fields.text(document, "precision"),
        tolerance=fields.number(document, "tolerance"),
        cases=tuple(read_golden_case(case) for case in fields.objects(document, "cases")),
    )


def read_golden_case(document: dict[str, object]) -> GoldenCase:
    """Read one golden case."""
    name = fields.text(document, "name")
    try:
        image = base64.b64decode(fields.text(document, "image_base64"), validate=True)
    except binascii.Error as error:
        raise fields.FieldError(f"image_base64 of golden case {name!r} is not base64: {error}") from error
    expected = document.get("expected_class_id")
    return GoldenCase(
        name=name,
        image=image,
        top=tuple(read_score(score) for score in fields.objects(document, "top")),
        expected_class_id=None if expected is None else fields.integer(document, "expected_class_id"),
    )


def read_health(document: dict[str, object]) -> Health:
    """Read the answer to `GET /health`.

    Raises:
        FieldError: A field is missing or has another type than agreed.
    """
    model = document.get("model")
    classes = None if model is None else fields.as_object(model, "model").get("classes")
    versions = fields.as_object(document.get("versions", {}), "versions")
    return Health(
        status=fields.text(document, "status"),
        model=None if model is None else read_model(model),
        classes=classes if isinstance(classes, int) else None,
        provider=fields.optional_text(document, "provider"),
        uptime_s=fields.number(document, "uptime_s"),
        versions={name: str(version) for name, version in versions.items()},
        raw=document,
    )


def read_models(document: dict[str, object]) -> tuple[ModelEntry, ...]:
    """Read the answer to `GET /models`: `{"models": [{"name", "sha256", "default"}], …}`.

    Raises:
        FieldError: A field is missing or has another type than agreed.
    """
    return tuple(
        ModelEntry(
            name=fields.text(entry, "name"),
            sha256=fields.optional_text(entry, "sha256"),
            is_default=entry.get("default") is True,
            raw=entry,
        )
        for entry in fields.objects(document, "models")
    )
