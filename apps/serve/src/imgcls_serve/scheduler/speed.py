"""How long the images that wait are likely to take."""

from __future__ import annotations

from collections.abc import Iterable

from imgcls_serve.scheduler.job import JobResult
from imgcls_serve.scheduler.layout import ThreadLayout

# Weight of the newest image in the mean: the last twenty or so decide.
_WEIGHT = 0.05


class Speed:
    """A sliding mean of how long an image keeps the threads busy, divided among them; idle time does not count.

    Args:
        layout: the threads.
        expected_s: what an image is expected to take before the first answer, in seconds; 0 where nobody knows.

    Attributes:
        s_per_image: seconds; 0 before the first answer.
    """

    def __init__(self, layout: ThreadLayout, *, expected_s: float = 0.0) -> None:
        self._layout = layout
        self._expected_s = expected_s
        self.s_per_image = 0.0

    def images_within(self, seconds: float) -> int | None:
        """Gives how many images are answered in so many seconds; None where nobody knows."""
        s_per_image = self.s_per_image or self._expected_s
        return int(seconds / s_per_image) if s_per_image else None

    def note(self, answers: Iterable[JobResult]) -> None:
        """Takes answers into account."""
        layout = self._layout
        for answer in answers:
            decode_s, infer_s = answer.decode_ms / 1000, answer.inference_ms / 1000 / answer.batch_size
            if layout.all_round:
                s_per_image = (decode_s + infer_s) / layout.all_round
            else:
                s_per_image = max(decode_s / layout.decoders, infer_s / layout.runners)
            self.s_per_image += (s_per_image - self.s_per_image) * _WEIGHT
