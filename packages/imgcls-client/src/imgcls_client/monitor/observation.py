"""One pass over a deployment: is it there, is it ready, does it answer as PyTorch did, and how fast."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Literal, get_args

from imgcls_contract import GoldenCaseReply, GoldenReply, HealthReply, ModelDriftReply
from imgcls_sdk.answers import TimedPrediction
from imgcls_sdk.client import ImgclsClient
from imgcls_sdk.errors import ImgclsClientError
from msgspec import Struct, structs

from imgcls_client.monitor.drift import DistributionDrift
from imgcls_client.predict.image_sources import NamedImage
from imgcls_client.served import Served, ask_served

if TYPE_CHECKING:
    from imgcls_core.verification.truth import ArtifactTruth

# What the caller waited, the service's own stages, and the service's whole time.
Stage = Literal["call", "decode", "queue", "inference", "service"]
# Images that are drawn anew for each pass, where the user has the artifact.
_DRAWN = 3
STAGES: tuple[Stage, ...] = get_args(Stage)


class CallSeen(Struct, frozen=True, omit_defaults=True):
    """One image asked in a pass; times in milliseconds, None where the call failed.

    Attributes:
        difference: largest distance of the top probabilities to PyTorch's (0 to 1), for golden images.
        is_right: whether a golden image got PyTorch's class; None for others.
        error: code of the failure.
    """

    image: str
    class_id: int | None = None
    label: str | None = None
    probability: float | None = None
    call_ms: float | None = None
    decode_ms: float | None = None
    queue_ms: float | None = None
    inference_ms: float | None = None
    service_ms: float | None = None
    difference: float | None = None
    is_right: bool | None = None
    error: str | None = None

    def time_ms(self, stage: Stage) -> float | None:
        """Gives the time of one stage, in milliseconds."""
        found: float | None = getattr(self, f"{stage}_ms")
        return found


class Observation(Struct, frozen=True, omit_defaults=True):
    """What one pass saw.

    Attributes:
        is_available: whether the process answered `/health`.
        is_ready: whether `/ready` said yes.
        reason: why it is not available or not ready.
        tolerance: how far golden answers may be from PyTorch's.
        live: what the service says of its latest answers; kept of the last pass alone.
        drift: how far they have moved from the artifact's reference; empty where it has none.
        signed_by: ids of the keys whose signature the service has checked.
        platform: figures of the platform.
        served: what the deployment says of itself.
    """

    url: str
    at: datetime
    is_available: bool
    is_ready: bool
    reason: str | None
    model_name: str | None
    model_sha256: str | None
    provider: str | None
    tolerance: float | None
    duration_ms: float
    calls: tuple[CallSeen, ...]
    live: ModelDriftReply | None = None
    drift: tuple[DistributionDrift, ...] = ()
    signed_by: tuple[str, ...] = ()
    platform: dict[str, float] = {}
    served: Served = Served()

    @property
    def golden_calls(self) -> tuple[CallSeen, ...]:
        """The calls that can be right or wrong."""
        return tuple(call for call in self.calls if call.is_right is not None)

    @property
    def wrong(self) -> tuple[CallSeen, ...]:
        """Golden cases with another class, or farther from PyTorch than allowed."""
        allowed = self.tolerance or 0.0
        return tuple(call for call in self.golden_calls if not call.is_right or (call.difference or 0.0) > allowed)

    @property
    def is_golden_right(self) -> bool | None:
        """Whether every golden case was right."""
        return not self.wrong if self.golden_calls else None

    @property
    def is_unreachable(self) -> bool:
        """Whether there was no connection, or no answer in time."""
        return not self.is_available and (self.reason or "").startswith(("unreachable:", "answer_timeout:"))

    @property
    def failed_calls(self) -> tuple[CallSeen, ...]:
        """The calls that got no answer."""
        return tuple(call for call in self.calls if call.error is not None)

    def times_ms(self, stage: Stage) -> list[float]:
        """Gives the times of one stage of every answered call."""
        return [value for call in self.calls if (value := call.time_ms(stage)) is not None]


def observe(
    client: ImgclsClient,
    images: tuple[NamedImage, ...] = (),
    *,
    model: str | None = None,
    truth: ArtifactTruth | None = None,
) -> Observation:
    """Makes one pass; whatever goes wrong is what it saw.

    Args:
        client: should send once, so that a failure is seen and not repaired.
        images: asked beside the model's golden images.
        model: the model to ask instead of the default one.
        truth: the user's own artifact: golden cases come from it, and images that are drawn for this pass.
    """
    started, at = time.perf_counter(), datetime.now(UTC)
    health: HealthReply | None = None
    golden: GoldenReply | None = None
    calls: list[CallSeen] = []
    is_ready, reason = False, None
    try:
        health = client.health()
        readiness = client.ready()
        is_ready, reason = readiness.ready, readiness.reason
        if is_ready:
            said = client.golden(model)
            golden = said if truth is None else structs.replace(truth.golden, model=said.model)
            calls += [_ask_golden(client, case, model) for case in golden.cases]
            if truth is not None:
                drawn = islice(truth.drawn_images(int(at.timestamp())), 1, 1 + _DRAWN)
                calls += [_ask_drawn(client, truth, name, image, model) for name, image in drawn]
            calls += [_ask(client, source.name, source.read, model=model) for source in images]
    except ImgclsClientError as error:
        reason = f"{error.code}: {error.brief}"
    running = golden.model if golden is not None else health.model if health is not None else None
    return Observation(
        url=client.connection.url,
        at=at,
        is_available=health is not None,
        is_ready=is_ready,
        reason=reason,
        model_name=None if running is None else running.name,
        model_sha256=None if running is None else running.sha256,
        provider=None if health is None else health.provider,
        tolerance=None if golden is None else golden.tolerance,
        duration_ms=(time.perf_counter() - started) * 1000,
        calls=tuple(calls),
        served=Served() if running is None else ask_served(client, running.name, health),
        signed_by=health.model.signed_by if health is not None and health.model is not None else (),
    )


def _ask_drawn(client: ImgclsClient, truth: ArtifactTruth, name: str, image: bytes, model: str | None) -> CallSeen:
    def judge(answer: TimedPrediction) -> tuple[float, bool]:
        expected = truth.vector(image)
        difference = max(abs(expected[score.class_id] - score.probability) for score in answer.top)
        return difference, expected[answer.class_id] >= max(expected) - truth.golden.tolerance

    return _ask(client, f"drawn {name}", lambda: image, judge, model=model)


def _ask_golden(client: ImgclsClient, case: GoldenCaseReply, model: str | None) -> CallSeen:
    def judge(answer: TimedPrediction) -> tuple[float, bool]:
        actual: Mapping[int, float] = {score.class_id: score.probability for score in answer.top}
        apart = [abs(actual[each.class_id] - each.probability) for each in case.top if each.class_id in actual]
        return max(apart, default=1.0), answer.class_id == case.top[0].class_id

    return _ask(client, case.name, lambda: case.image, judge, top_k=len(case.top) or None, model=model)


def _ask(
    client: ImgclsClient,
    name: str,
    image: Callable[[], bytes],
    judge: Callable[[TimedPrediction], tuple[float | None, bool | None]] = lambda _: (None, None),
    *,
    top_k: int | None = None,
    model: str | None,
) -> CallSeen:
    try:
        answer = client.predict(image(), top_k=top_k, model=model)
    except ImgclsClientError as error:
        return CallSeen(name, error=error.code)
    difference, is_right = judge(answer)
    times = answer.timing_ms
    return CallSeen(
        name, answer.class_id, answer.label, answer.probability,
        answer.call_ms, times.decode, times.queue, times.inference, times.total, difference, is_right,
    )  # fmt: skip
