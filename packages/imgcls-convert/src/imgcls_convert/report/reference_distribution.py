"""A reference distribution for users: one line, and its two histograms as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from imgcls_core.artifact import REFERENCE_BINS, ReferenceDistribution

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 420, 190, 44, 40, 10  # of a histogram, in px


def mean_of(shares: Sequence[float]) -> float:
    """Mean of a histogram over 0 to 1, its values taken as the middles of their bins."""
    return sum(share * (place + 0.5) / len(shares) for place, share in enumerate(shares))


def reference_words(reference: ReferenceDistribution) -> str:
    """What the live traffic is compared with, in one line."""
    confidence = mean_of(reference.confidence_shares)
    seen = sum(share > 0 for share in reference.class_shares)
    classes = f"{seen} of {len(reference.class_shares)} classes named"
    return f"{reference.images} images, mean confidence about {confidence:.0%}, {classes}"


def reference_section(reference: ReferenceDistribution) -> list[str]:
    """The parts of a page: what it is, and both histograms."""
    return [
        "<h2>Reference distribution</h2>",
        f"<p>How it answered {reference.images} images that it was not trained on. Live traffic that answers otherwise "
        "has drifted.</p>",
        '<div class="wrap">',
        _histogram(reference.confidence_shares, "confidence: probability of the first answer"),
        _histogram(reference.entropy_shares, "entropy: 0 certain, 1 every class alike"),
        "</div>",
    ]


def _histogram(shares: Sequence[float], title: str) -> str:
    """Bars over 0 to 1, as tall as their share of the images."""
    highest = max(shares)
    floor, tall, wide = _HEIGHT - _BOTTOM, _HEIGHT - _TOP - _BOTTOM, (_WIDTH - _LEFT - 10) / REFERENCE_BINS
    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" aria-label="{escape(title)}">']
    for place, share in enumerate(shares):
        height = share / highest * tall
        left = _LEFT + place * wide
        parts.append(
            f'<rect x="{left + 0.5:.1f}" y="{floor - height:.1f}" width="{wide - 1:.1f}" height="{height:.1f}" '
            f'fill="var(--ink)"><title>{place / REFERENCE_BINS:.2f} to {(place + 1) / REFERENCE_BINS:.2f}: '
            f"{share:.1%}</title></rect>"
        )
    parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - 10}" y1="{floor}" y2="{floor}" stroke="currentColor"/>')
    parts += [
        f'<text x="{_LEFT + at * (_WIDTH - _LEFT - 10):.1f}" y="{floor + 14}" text-anchor="middle">{at:g}</text>'
        for at in (0, 0.5, 1)
    ]
    parts.append(f'<text x="{_LEFT - 6}" y="{_TOP + 10}" text-anchor="end">{highest:.0%}</text>')
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 8}">{escape(title)}</text></svg>')
    return "".join(parts)
