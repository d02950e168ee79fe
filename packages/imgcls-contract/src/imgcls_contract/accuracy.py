"""How often a model is right, and how sure that is."""

from __future__ import annotations

import math
from typing import Annotated, Final

from msgspec import Meta, Struct

_Z95: Final = 1.959963984540054  # two-sided 95 % of the normal distribution


def wilson_interval(right: int, images: int) -> tuple[float, float]:
    """Gives the 95 % Wilson score interval of a share, which holds near 0 and 1 and for few images too."""
    share, square = right / images, _Z95**2
    middle = (share + square / (2 * images)) / (1 + square / images)
    half = _Z95 * math.sqrt(share * (1 - share) / images + square / (4 * images**2)) / (1 + square / images)
    return max(0.0, middle - half), min(1.0, middle + half)


class Accuracy(Struct, frozen=True):
    """What a model reached on labelled images."""

    right: Annotated[int, Meta(ge=0, description="How many images got their class as the first answer.")]
    images: Annotated[int, Meta(ge=1, description="How many images were asked.")]
    of: Annotated[str, Meta(min_length=1, description="Which images, as `test` of a dataset.")]

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share."""
        return wilson_interval(self.right, self.images)

    @property
    def text(self) -> str:
        """Says the share, its 95 % interval and what it was measured on."""
        low, high = self.interval
        counted = f"{self.right:,} of {self.images:,} right in {self.of}"
        return f"{self.right / self.images:.1%} ({counted}; 95 % interval {low:.1%} to {high:.1%})"
