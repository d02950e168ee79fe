"""Charts of a dataset: bars of its classes and sizes, curves of its colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from imgcls_train.survey.report import ClassReport, SplitReport

BARS: Final = 120  # classes that are shown
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 760, 200, 10, 26, 8  # of the curves, in px
# Red, green and blue that can be told apart on a light and on a dark page, and by most who see few colours.
_CHANNELS: Final = (("R", "#d1495b"), ("G", "#2e9e62"), ("B", "#3f7fd1"))


def class_bars(classes: Sequence[ClassReport], splits: Sequence[str]) -> str:
    """Draws how many images each class has, the largest class first; one sentence where all have as many."""
    if all(len({entry.images[split] for entry in classes}) == 1 for split in splits):
        counts = " and ".join(f"{classes[0].images[split]:,} images in {split}" for split in splits)
        return f"<p>Every class has {escape(counts)}.</p>"
    ranked = sorted(classes, key=lambda entry: (-entry.images[splits[0]], entry.name))
    note = ""
    if len(ranked) > BARS:
        ranked = [*ranked[: BARS // 2], *ranked[-BARS // 2 :]]
        note = f"<p>The {BARS // 2} largest and the {BARS // 2} smallest of {len(classes):,} classes.</p>"
    most = max(max(entry.images[splits[0]] for entry in ranked), 1)
    rows = (
        f"<td>{escape(entry.label)}</td>"
        + "".join(f"<td class=n>{entry.images[split]:,}</td>" for split in splits)
        + f"<td class=w>{_bar(entry.images[splits[0]] / most)}</td>"
        for entry in ranked
    )
    heading = "<th></th>" + "".join(f"<th class=n>{escape(split)}</th>" for split in splits) + "<th></th>"
    return note + _bars(heading, rows)


def size_bars(splits: Sequence[SplitReport]) -> str:
    """Draws the most frequent sizes of each split; one sentence where all images have one size."""
    sizes = {(size.width, size.height) for split in splits for size in split.sizes}
    if len(sizes) == 1 and all(split.distinct_sizes == 1 for split in splits):
        width, height = sizes.pop()
        return f"<p>Every image has {width} × {height} px.</p>"
    rows: list[str] = []
    for split in splits:
        most = max((size.images for size in split.sizes), default=1)
        rows += [
            f"<td>{escape(split.name)}</td><td class=n>{size.width} × {size.height}</td>"
            f"<td class=n>{size.images:,}</td><td class=w>{_bar(size.images / most)}</td>"
            for size in split.sizes
        ]
    told = "; ".join(f"{split.name} has {split.distinct_sizes:,} sizes" for split in splits)
    heading = "<th></th><th class=n>px</th><th class=n>images</th><th></th>"
    return f"<p>{escape(told)}. The most frequent:</p>{_bars(heading, rows)}"


def colour_chart(split: SplitReport) -> str:
    """Draws how the levels of the three channels are spread in a split, as SVG; empty without colours."""
    if split.colours is None:
        return ""
    steps = len(split.colours.histogram[0])
    most = max(max(channel) for channel in split.colours.histogram) or 1.0
    across, up = _WIDTH - 2 * _LEFT, _HEIGHT - _TOP - _BOTTOM
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" '
        f'aria-label="how light the pixels of {escape(split.name)} are, by channel">',
        f'<line x1="{_LEFT}" x2="{_WIDTH - _LEFT}" y1="{_TOP + up}" y2="{_TOP + up}" stroke="var(--line)"/>',
    ]
    for (name, colour), channel in zip(_CHANNELS, split.colours.histogram, strict=True):
        points = " ".join(
            f"{_LEFT + across * i / (steps - 1):.1f},{_TOP + up * (1 - share / most):.1f}"
            for i, share in enumerate(channel)
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2">'
            f"<title>{name}</title></polyline>"
        )
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 8}">0</text>')
    parts.append(f'<text x="{_WIDTH - _LEFT}" y="{_HEIGHT - 8}" text-anchor="end">1</text></svg>')
    figures = ", ".join(
        f'<span style="color:{colour}">■</span> {name} {mean:.3f} ± {std:.3f}'
        for (name, colour), mean, std in zip(_CHANNELS, split.colours.mean, split.colours.std, strict=True)
    )
    return f"<h3>{escape(split.name)} <small>{figures}, {split.colours.images:,} images</small></h3>{''.join(parts)}"


def _bar(share: float) -> str:
    return f'<span class="bar" style="width:{100 * share:.1f}%"></span>'


def _bars(heading: str, rows: Iterable[str]) -> str:
    lines = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="wrap"><table class="bars" style="width:100%"><tr>{heading}</tr>{lines}</table></div>'
