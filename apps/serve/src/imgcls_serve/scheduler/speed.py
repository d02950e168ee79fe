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

    Attributes:
        s_per_image: seconds; 0 before the first answer.
    """

    def __init__(self, layout: ThreadLayout) -> None:
        self._layout = layout
        self.s_per_image = 0.0

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
