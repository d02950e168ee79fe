"""One image on its way through the engine."""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import NamedTuple, Protocol

import numpy as np
from imgcls_core.images.decode import ImageSource
from numpy.typing import NDArray


class Picture(NamedTuple):
    """An image as a model takes it, and the size that it had, in pixels."""

    pixels: NDArray[np.uint8]  # [H, W, 3]
    width_px: int
    height_px: int


class BatchModel(Protocol):
    """What the engine needs of a model. Both methods are called from several threads at once."""

    def preprocess(self, source: ImageSource) -> Picture:
        """Encoded image or pixels → RGB uint8 [H, W, 3] of one size for all images of this model."""
        ...

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """RGB uint8 [N, H, W, 3] → float32 [N, classes]."""
        ...


class Answer(NamedTuple):
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
    """

    __slots__ = ("decode_s", "decoded_s", "future", "model", "picture", "source", "stage", "submitted_s", "waited_s")

    def __init__(self, model: BatchModel, source: ImageSource, future: asyncio.Future[Answer], now_s: float) -> None:
        self.model = model
        self.source: ImageSource | None = source
        self.future = future
        self.submitted_s = now_s
        self.stage = Stage.WAITING
        self.picture: Picture | None = None
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
        self.picture = None
