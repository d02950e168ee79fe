"""What the checks are given: the deployment under test, its golden cases, and the suite's own images."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from imgcls_cerebrium.rest_api import CerebriumApi
from imgcls_contract import Accuracy, GoldenReply, HealthReply, ModelReply
from imgcls_sdk.answers import HttpAnswer, TimedPrediction, read, read_prediction
from imgcls_sdk.calls import OPENAPI, Call, SentAs, predict_call
from imgcls_sdk.client import ImgclsClient
from imgcls_sdk.errors import ImgclsClientError

if TYPE_CHECKING:
    from imgcls_core.verification.truth import ArtifactTruth


class _Description(msgspec.Struct):
    """What is used of an OpenAPI document."""

    paths: dict[str, object]


@dataclass(frozen=True, slots=True)
class LabelledCase:
    """An image of the user's with the class it should get."""

    path: Path
    class_id: int


@dataclass(frozen=True, slots=True)
class SuiteOptions:
    """What the user asks of the deployment; see the options of `imgcls-client suite`.

    Attributes:
        min_accuracy: None takes what is said of the model.
        cold_start_wait_s: how long to wait for the platform to take the last replica away, or None not to try.
        seed: of the images that are drawn for this run.
        is_behind_router: whether a platform's router stands before it, which gives every call an id of its own.
    """

    cases: tuple[LabelledCase, ...] = ()
    min_accuracy: float | None = None
    max_latency_s: float = 3.0
    load_s: float = 3.0
    concurrency: int = 16
    expect_private: bool = False
    is_behind_router: bool = False
    cold_start_wait_s: float | None = None
    model_sha256: str | None = None
    signed_by: tuple[str, ...] = ()
    image_url: str | None = None
    seed: int = 0


_ARTIFACT_TOLERANCE = 0.001
# Other images may be rounded worse than the golden ones.
_ROUNDING_FACTOR = 4


@dataclass
class Deployment:
    """A deployment under test.

    Attributes:
        client: tries passing failures again: for what a flaky network must not decide.
        direct: sends once and gives back every answer: for what the failures themselves are the question.
        options: what the user asks of it.
        has_key: whether the user gave a key.
        as_anonymous: makes a client with another key, or with none.
        platform: the API of the platform under it, where it is known and there is a token.
        model: the model to ask instead of the default one.
        truth: the user's own artifact.
    """

    client: ImgclsClient
    direct: ImgclsClient
    options: SuiteOptions
    has_key: bool
    as_anonymous: Callable[[str | None], ImgclsClient] = field(repr=False)
    platform: CerebriumApi | None = None
    model: str | None = None
    truth: ArtifactTruth | None = None

    @cached_property
    def client_golden(self) -> GoldenReply:
        """The golden cases that the deployment gives, fetched once."""
        return self.client.golden(self.model)

    @property
    def golden(self) -> GoldenReply:
        """The golden cases: the artifact's, where the user has it."""
        return self.client_golden if self.truth is None else self.truth.golden

    @cached_property
    def golden_answers(self) -> tuple[TimedPrediction, ...]:
        """The whole answers to the golden images, asked once."""
        return tuple(self.vector(case.image) for case in self.golden.cases)

    @cached_property
    def identity(self) -> ModelReply:
        """Which model it says that it runs."""
        if self.model is None and (said := self.health.model) is not None:
            return ModelReply(
                said.name, loaded=True, default=True, sha256=said.sha256, classes=said.classes, signed_by=said.signed_by
            )
        own = self.model or self.client_golden.model.name
        return self._listed or ModelReply(own, loaded=True, default=self.model is None)

    @cached_property
    def _listed(self) -> ModelReply | None:
        is_asked = (
            each for each in self.client.models() if each.name == self.model or (not self.model and each.default)
        )
        return next(is_asked, None)

    @property
    def claimed_accuracy(self) -> Accuracy | None:
        """How often the model is right by the user's own artifact, or by what the deployment says of it."""
        if self.truth is not None:
            return self.truth.accuracy
        with suppress(ImgclsClientError):
            return None if self._listed is None else self._listed.accuracy
        return None

    @cached_property
    def artifact_tolerance(self) -> float:
        """How far an answer may be from that of the same artifact here: arithmetic in another order.

        Other precisions than fp32 may round otherwise on another processor: how far, the golden images tell.
        """
        if self.truth is None or self.golden.precision == "fp32":
            return _ARTIFACT_TOLERANCE
        pairs = zip(self.golden.cases, self.golden_answers, strict=True)
        both = [(self.truth.vector(case.image), answer.probabilities or []) for case, answer in pairs]
        apart = max((abs(a - b) for here, there in both for a, b in zip(here, there, strict=False)), default=0.0)
        return min(self.golden.tolerance, max(_ARTIFACT_TOLERANCE, _ROUNDING_FACTOR * apart))

    @cached_property
    def health(self) -> HealthReply:
        """The state of the process at the first question."""
        return self.client.health()

    @cached_property
    def described_routes(self) -> dict[str, object]:
        """The routes of the service's own description, fetched once."""
        return read(self.client.send(OPENAPI), _Description).paths

    @cached_property
    def first_call_ms(self) -> float:
        """How long the first image took; asked before anything else, so that it is the cold one if any is."""
        return self.predict(packaged_image("image.png")).call_ms

    @property
    def images(self) -> tuple[bytes, ...]:
        """Images for load: the model's golden ones, or the suite's where there are none."""
        return tuple(case.image for case in self.golden.cases) or (packaged_image("image.jpg"),)

    def vector(self, image: bytes, *, sent_as: SentAs = "raw", file_name: str = "image") -> TimedPrediction:
        """Classifies with the whole vector."""
        call = predict_call(image, probabilities=True, sent_as=sent_as, file_name=file_name, model=self.model)
        return read_prediction(self.client.send(call))

    def predict(self, image: bytes, *, top_k: int | None = None, sent_as: SentAs = "raw") -> TimedPrediction:
        """Classifies as most callers do."""
        return self.client.predict(image, top_k=top_k, sent_as=sent_as, model=self.model)

    def exchange(self, call: Call) -> HttpAnswer:
        """Sends once and gives back whatever comes."""
        return self.direct.exchange(call)


def packaged_image(name: str) -> bytes:
    """Reads one of the suite's own images."""
    return files("imgcls_client").joinpath("data", "images", name).read_bytes()
