"""One image on its way through the scheduler: who answers it, what comes of it, who is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

import numpy as np
from imgcls_core.images.decode import ImageSource
from imgcls_core.images.preprocess import ImagePreprocessor, PreparedImage
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a request's time is over: `at_s` on the loop's clock, `timeout_ms` as it was asked for."""

    at_s: float
    timeout_ms: int


class BatchModel(Protocol):
    """What the scheduler needs of a model. All of it is called from several threads at once."""

    @property
    def preprocess(self) -> Callable[[ImageSource], PreparedImage]:
        """Encoded image or pixels → RGB uint8 [H, W, 3] of one size for all images of this model."""
        ...

    @property
    def preprocessor(self) -> ImagePreprocessor:
        """The same, for a process that decodes apart."""
        ...

    @property
    def predict(self) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
        """RGB uint8 [N, H, W, 3] → float32 [N, classes]."""
        ...

    @property
    def count(self) -> Callable[[NDArray[np.float32]], None]:
        """Takes note of answers float32 [N, classes] that are traffic."""
        ...


class SchedulerObserver(Protocol):
    """Is told what happens, on the event loop's thread."""

    def batch_ran(self, images: int) -> None:
        """A batch was inferred."""
        ...

    def job_dropped(self, reason: str) -> None:
        """Nobody wanted a job before its inference: "deadline" or "caller_gone"; "gave_way" to another caller's."""
        ...


class JobResult(NamedTuple):
    """The answer for one image; durations in milliseconds, `queue_ms` is all waiting for a thread."""

    probabilities: NDArray[np.float32]  # [classes]
    decode_ms: float
    queue_ms: float
    inference_ms: float
    batch_size: int
    width_px: int
    height_px: int


class Stage(Enum):
    """Where a job is."""

    WAITING = "waiting"
    DECODING = "decoding"
    READY = "ready"
    INFERRING = "inferring"


class Job:
    """One image, what became of it, and the future that its caller waits on.

    A future that is done (answered, cancelled by its caller, past its deadline) means that nobody wants the work:
    workers drop such a job wherever they meet it.

    Args:
        model: what answers.
        source: the encoded image, or its RGB pixels.
        future: what the caller waits on.
        now_s: when it was submitted, on the clock of `time.perf_counter`.
        caller: whose it is.
        is_counted: whether its answer is traffic; a test of the deployment is none and still shares batches.
    """

    __slots__ = (
        "caller",
        "decode_s",
        "decoded_s",
        "future",
        "is_counted",
        "is_isolated",
        "model",
        "prepared",
        "source",
        "stage",
        "submitted_s",
        "waited_s",
    )

    def __init__(
        self,
        model: BatchModel,
        source: ImageSource,
        future: asyncio.Future[JobResult],
        now_s: float,
        *,
        caller: Hashable,
        is_counted: bool,
    ) -> None:
        self.model = model
        self.caller = caller
        self.source: ImageSource | None = source
        self.future = future
        self.submitted_s = now_s
        self.is_counted = is_counted
        self.is_isolated = False  # whether a process of its own decodes it
        self.stage = Stage.WAITING
        self.prepared: PreparedImage | None = None
        self.waited_s = 0.0
        self.decode_s = 0.0
        self.decoded_s = 0.0

    @property
    def is_wanted(self) -> bool:
        """Whether somebody still waits for the answer; may be asked from any thread."""
        return not self.future.done()

    def release(self) -> None:
        """Lets the image go, for jobs that stay in a queue after nobody wants them."""
        self.source = None
        self.prepared = None
