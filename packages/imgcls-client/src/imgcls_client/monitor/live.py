"""What a model answers to all callers now, and what it is expected to answer: `GET /models/{name}/drift`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args
from urllib.parse import quote

from imgcls_client import json_fields as fields
from imgcls_client.calls import Call, read_answer
from imgcls_client.client import ImgclsClient
from imgcls_client.errors import ImgclsClientError
from imgcls_client.monitor.drift import answers_needed, drift_index, jensen_shannon

__all__ = [
    "DISTRIBUTIONS",
    "Distribution",
    "Drift",
    "Live",
    "Reference",
    "drift_of",
    "drift_text",
    "read_live",
    "read_live_document",
]

Distribution = Literal["classes", "confidence", "entropy"]
DISTRIBUTIONS: tuple[Distribution, ...] = get_args(Distribution)
SHARES: dict[Distribution, str] = {
    "classes": "class_shares",
    "confidence": "confidence_shares",
    "entropy": "entropy_shares",
}


@dataclass(frozen=True, slots=True)
class Reference:
    """How the model answered when it was evaluated.

    Attributes:
        images: How many it was measured on.
        shares: By class id or bin, for each distribution; bins are equally wide from 0 to 1.
    """

    images: int
    shares: Mapping[Distribution, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Live:
    """How the model answers now.

    Attributes:
        window_s: How far back the service looks, in seconds.
        counts: Answers by class id or bin, for each distribution.
        reference: None where the artifact carries none.
        document: As the service sent it.
    """

    window_s: float
    counts: Mapping[Distribution, tuple[int, ...]]
    reference: Reference | None
    document: Mapping[str, object] = field(repr=False)

    @property
    def answers(self) -> int:
        """How many answers the window holds."""
        return sum(self.counts["classes"])

    def classes(self) -> dict[int, float]:
        """Count the answered classes."""
        return counted(self.counts["classes"])


@dataclass(frozen=True, slots=True)
class Drift:
    """How far one distribution has moved.

    Attributes:
        psi: Population stability index; None without answers.
        jensen_shannon: Distance in bits, 0 to 1; None without answers.
        answers_needed: Below so many chance alone may reach the limit; None where the reference has too few images.
    """

    of: Distribution
    psi: float | None
    jensen_shannon: float | None
    answers: int
    answers_needed: int | None

    @property
    def is_judged(self) -> bool:
        """Whether there are enough answers for a verdict."""
        return self.psi is not None and self.answers_needed is not None and self.answers >= self.answers_needed


def read_live(client: ImgclsClient, model: str) -> Live | None:
    """Read what a model answers, or None where the service does not say.

    It is a bonus: a service without it, or one that is away, is judged by other means.
    """
    try:
        answer = client.send(Call("GET", f"/models/{quote(model, safe='')}/drift"))
        return read_answer(answer, read_live_document)
    except ImgclsClientError:
        return None


def read_live_document(document: dict[str, object]) -> Live:
    """Understand the service's document.

    Raises:
        FieldError: A field is missing or has another type than agreed.
    """
    window = fields.as_object(document.get("window"), "window")
    expected = document.get("reference")
    return Live(
        window_s=fields.number(document, "window_s"),
        counts={of: tuple(int(each) for each in numbers(window, of)) for of in DISTRIBUTIONS},
        reference=None if expected is None else read_reference(fields.as_object(expected, "reference")),
        document=document,
    )


def read_reference(document: dict[str, object]) -> Reference:
    """Read the reference distribution."""
    return Reference(
        max(1, fields.integer(document, "images")), {of: numbers(document, SHARES[of]) for of in DISTRIBUTIONS}
    )


def numbers(document: dict[str, object], name: str) -> tuple[float, ...]:
    """Take a field as a list of numbers."""
    return tuple(fields.number({name: item}, name) for item in fields.as_list(document.get(name), name))


def counted(values: tuple[float, ...]) -> dict[int, float]:
    """Leave out what did not occur."""
    return {place: value for place, value in enumerate(values) if value}


def drift_of(live: Live, limit: float) -> tuple[Drift, ...]:
    """Compare each distribution with the reference; empty where there is none.

    Args:
        live: What the service answers.
        limit: The index from which a distribution counts as moved; decides how many answers are needed.
    """
    reference = live.reference
    if reference is None:
        return ()
    found: list[Drift] = []
    for of in DISTRIBUTIONS:
        now, expected = counted(live.counts[of]), counted(reference.shares[of])
        needed = answers_needed(len(expected), reference.images, limit)
        psi = drift_index(now, expected, reference.images) if now else None
        distance = jensen_shannon(now, expected) if now else None
        found.append(Drift(of, psi, distance, live.answers, needed))
    return tuple(found)


def drift_text(found: tuple[Drift, ...]) -> str:
    """Say how far the answers have moved, or how many are missing for a verdict."""
    answers, needed = found[0].answers, [each.answers_needed for each in found if not each.is_judged]
    if not needed:
        values = " ".join(f"{each.of} {each.psi:.2f}" for each in found)
        return f"PSI {values} ({answers} answers)"
    if known := [each for each in needed if each is not None and each > answers]:
        return f"drift: {answers} of {max(known)} answers needed"
    unknown = " and ".join(each.of for each in found if each.answers_needed is None)
    return f"drift of {unknown} not judged: the artifact's reference was measured on too few images"
