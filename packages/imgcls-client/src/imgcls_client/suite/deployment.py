"""What the checks are given: the deployment under test, its golden cases, and the suite's own pictures."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from pathlib import Path

from imgcls_client.calls import Answer, Call, SentAs, json_document, predict_call, read_answer
from imgcls_client.cerebrium.rest import CerebriumApi
from imgcls_client.client import ImgclsClient
from imgcls_client.replies import Golden, Health, Prediction, read_prediction

__all__ = ["Deployment", "LabelledCase", "SuiteOptions", "packaged_image"]


@dataclass(frozen=True, slots=True)
class LabelledCase:
    """A picture of the user's with the class it should get."""

    path: Path
    class_id: int


@dataclass(frozen=True, slots=True)
class SuiteOptions:
    """What the user asks of the deployment.

    Attributes:
        cases: Labelled pictures.
        min_accuracy: Which share of them must be right (0 to 1).
        max_latency_s: The slowest of a hundred calls of a warm service may take so long, in seconds.
        load_s: How long each test of performance puts load on the service, in seconds.
        concurrency: Calls at once in tests of parallel load.
        expect_private: Whether a deployment that answers without a key fails.
        cold_start_wait_s: How long to wait for the platform to take the last replica away, or None not to try.
        is_behind_router: Whether a platform's router stands before it, which gives every call an id of its own.
    """

    cases: tuple[LabelledCase, ...] = ()
    min_accuracy: float = 1.0
    max_latency_s: float = 3.0
    load_s: float = 3.0
    concurrency: int = 16
    expect_private: bool = False
    is_behind_router: bool = False
    cold_start_wait_s: float | None = None


@dataclass
class Deployment:
    """A deployment under test.

    Attributes:
        client: Tries passing failures again: for what a flaky network must not decide.
        direct: Sends once and gives back every answer: for what the failures themselves are the question.
        options: What the user asks of it.
        has_key: Whether the user gave a key.
        as_stranger: Makes a client with another key, or with none.
        platform: The API of the platform under it, where it is known and there is a token.
    """

    client: ImgclsClient
    direct: ImgclsClient
    options: SuiteOptions
    has_key: bool
    as_stranger: Callable[[str | None], ImgclsClient] = field(repr=False)
    platform: CerebriumApi | None = None

    @cached_property
    def golden(self) -> Golden:
        """The model's golden cases, fetched once."""
        return self.client.golden()

    @cached_property
    def health(self) -> Health:
        """The state of the process at the first question."""
        return self.client.health()

    @cached_property
    def openapi(self) -> dict[str, object]:
        """The service's own description of its routes, fetched once."""
        return read_answer(self.client.send(Call("GET", "/openapi.json")), lambda document: document)

    @cached_property
    def first_call_ms(self) -> float:
        """How long the first picture took; asked before anything else, so that it is the cold one if any is."""
        return self.client.predict(packaged_image("picture.png")).call_ms

    @property
    def images(self) -> tuple[bytes, ...]:
        """Pictures for load: the model's golden ones, or the suite's where there are none."""
        return tuple(case.image for case in self.golden.cases) or (packaged_image("picture.jpg"),)

    def vector(self, image: bytes, *, sent_as: SentAs = "raw", file_name: str = "image") -> Prediction:
        """Classify with the whole vector."""
        call = predict_call(image, probabilities=True, sent_as=sent_as, file_name=file_name)
        return read_answer(self.client.send(call), read_prediction)

    def exchange(self, call: Call) -> Answer:
        """Send once, give back whatever comes."""
        return self.direct.exchange(call)

    def document(self, call: Call) -> dict[str, object]:
        """Send and parse a successful answer."""
        return json_document(self.client.send(call))


def packaged_image(name: str) -> bytes:
    """Read one of the suite's own pictures."""
    return files("imgcls_client").joinpath("data", "images", name).read_bytes()
