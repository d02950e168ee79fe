"""A reference distribution for users: one line, and its two histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgcls_core.artifact import ReferenceDistribution
from imgcls_report import histogram, paragraph, section, side_by_side

if TYPE_CHECKING:
    from markupsafe import Markup


def mean_of(shares: Sequence[float]) -> float:
    """Gives the mean of a histogram over 0 to 1, its values taken as the middles of their bins."""
    return sum(share * (place + 0.5) / len(shares) for place, share in enumerate(shares))


def reference_words(reference: ReferenceDistribution) -> str:
    """Says what the live traffic is compared with, in one line."""
    confidence = mean_of(reference.confidence_shares)
    seen = sum(share > 0 for share in reference.class_shares)
    classes = f"{seen} of {len(reference.class_shares)} classes named"
    return f"{reference.images:,} images, mean confidence about {confidence:.0%}, {classes}"


def reference_section(reference: ReferenceDistribution) -> Markup:
    """Gives the part of a page: what it is, and both histograms."""
    confidence, entropy = (
        histogram(title, [("", shares)], x_label=x_label)
        for title, shares, x_label in (
            ("confidence", reference.confidence_shares, "probability of the first answer"),
            ("entropy", reference.entropy_shares, "0 certain, 1 every class alike"),
        )
    )
    told = f"How it answered {reference.images:,} images that it was not trained on. "
    return section(
        "Reference distribution",
        paragraph(told + "Live traffic that answers otherwise has drifted."),
        side_by_side([confidence, entropy]),
    )
