"""What the checks are given: the deployment under test, its golden cases, and the suite's own pictures."""

from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

from imgcls_client.calls import Answer, Call, SentAs, predict_call, read_answer
from imgcls_client.client import ImgclsClient
from imgcls_client.replies import Golden, Health, Prediction, read_prediction

__all__ = ["Deployment", "LabelledCase", "packaged_image"]


@dataclass(frozen=True, slots=True)
class LabelledCase:
    """A picture of the user's with the class it should get."""

    path: Path
    class_id: int


@dataclass
class Deployment:
    """A deployment under test.

    Attributes:
        client: Tries passing failures again: for what a flaky network must not decide.
        direct: Sends once and gives back every answer: for what the failures themselves are the question.
        cases: The user's labelled pictures.
        min_accuracy: Which share of them must be right (0 to 1).
    """

    client: ImgclsClient
    direct: ImgclsClient
    cases: tuple[LabelledCase, ...] = ()
    min_accuracy: float = 1.0

    @cached_property
    def golden(self) -> Golden:
        """The model's golden cases, fetched once."""
        return self.client.golden()

    @cached_property
    def health(self) -> Health:
        """The state of the process at the first question."""
        return self.client.health()

    @property
    def class_count(self) -> int | None:
        """How many classes the model has, where the service says so."""
        return self.health.classes

    def vector(self, image: bytes, *, sent_as: SentAs = "raw", file_name: str = "image") -> Prediction:
        """Classify with the whole vector."""
        call = predict_call(image, probabilities=True, sent_as=sent_as, file_name=file_name)
        return read_answer(self.client.send(call), read_prediction)

    def exchange(self, call: Call) -> Answer:
        """Send once, give back whatever comes."""
        return self.direct.exchange(call)


def packaged_image(name: str) -> bytes:
    """Read one of the suite's own pictures."""
    return files("imgcls_client").joinpath("data", "images", name).read_bytes()
