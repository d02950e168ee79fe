"""What a model answers to all callers now, and how far that is from its reference: `GET /models/{name}/drift`.

The service computes and judges; this module asks and words.
"""

from __future__ import annotations

from typing import Literal, get_args
from urllib.parse import quote

from imgcls_contract import DriftReply, DriftStatus, ModelDriftReply
from imgcls_sdk.answers import read
from imgcls_sdk.calls import Call
from imgcls_sdk.client import ImgclsClient
from imgcls_sdk.errors import ImgclsClientError
from msgspec import Struct

Distribution = Literal["classes", "confidence", "entropy"]
DISTRIBUTIONS: tuple[Distribution, ...] = get_args(Distribution)


class DistributionDrift(Struct, frozen=True):
    """How far one distribution has moved, as the service judges it.

    Attributes:
        psi: population stability index; None without answers.
        jensen_shannon: distance in bits, 0 to 1; None without answers.
        answers_needed: below so many chance alone may reach the limit; None where the reference has too few images.
    """

    of: Distribution
    psi: float | None
    jensen_shannon: float | None
    answers: int
    answers_needed: int | None
    status: DriftStatus

    @property
    def is_judged(self) -> bool:
        """Whether there are enough answers for a verdict."""
        return self.status in {"stable", "drifted"}


def ask_drift(client: ImgclsClient, model: str, limit: float) -> ModelDriftReply | None:
    """Asks how far a model's answers have moved by a limit of PSI, or gives None where the service does not say."""
    call = Call("GET", f"/models/{quote(model, safe='')}/drift", params={"limit_psi": f"{limit:g}"})
    try:
        return read(client.send(call), ModelDriftReply)
    except ImgclsClientError:
        return None


def distributions_of(reply: ModelDriftReply) -> tuple[DistributionDrift, ...]:
    """Gives each distribution's verdict; empty where the artifact has no reference."""
    if reply.drift is None:
        return ()
    said: list[tuple[Distribution, DriftReply]] = [(of, getattr(reply.drift, of)) for of in DISTRIBUTIONS]
    answers = reply.window.answers
    return tuple(
        DistributionDrift(of, one.psi, one.jensen_shannon, answers, one.answers_needed, one.status) for of, one in said
    )


def drift_text(found: tuple[DistributionDrift, ...]) -> str:
    """Says how far the answers have moved, or how many are missing for a verdict."""
    answers, unjudged = found[0].answers, [each for each in found if not each.is_judged]
    if not unjudged:
        values = " ".join(f"{each.of} {each.psi:.2f}" for each in found)
        return f"PSI {values} ({answers} answers)"
    if known := [each.answers_needed for each in unjudged if each.answers_needed is not None]:
        return f"drift: {answers} of {max(known)} answers needed"
    unknown = " and ".join(each.of for each in unjudged)
    return f"drift of {unknown} not judged: the artifact's reference was measured on too few images"
