"""Charts of a dataset: bars of its classes and sizes, curves of its colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from imgcls_report import Cell, Colour, Column, Line, Scale, bar_chart, chart, number_scale, paragraph, section, table

from imgcls_train.survey.report import ClassReport, SplitReport

if TYPE_CHECKING:
    from markupsafe import Markup

BARS: Final = 120  # classes that are shown
_CHANNELS: Final[tuple[tuple[str, Colour], ...]] = (("R", "red"), ("G", "green"), ("B", "blue"))


def class_bars(classes: Sequence[ClassReport], splits: Sequence[str]) -> list[Markup]:
    """Draws how many images each class has, the largest class first; one sentence where all have as many."""
    if all(len({entry.images[split] for entry in classes}) == 1 for split in splits):
        counts = " and ".join(f"{classes[0].images[split]:,} images in {split}" for split in splits)
        return [paragraph(f"Every class has {counts}.")]
    ranked = sorted(classes, key=lambda entry: (-entry.images[splits[0]], entry.name))
    title = f"images of each class, the largest in {splits[0]} first"
    if len(ranked) > BARS:
        ranked = [*ranked[: BARS // 2], *ranked[-BARS // 2 :]]
        title = f"images of the {BARS // 2} largest and the {BARS // 2} smallest of {len(classes):,} classes"
    rows = [(entry.label, [entry.images[split] for split in splits]) for entry in ranked]
    return [bar_chart(title, rows, series=splits, name="class")]


def size_bars(splits: Sequence[SplitReport]) -> list[Markup]:
    """Draws the most frequent sizes of each split; one sentence where all images have one size."""
    sizes = {(size.width, size.height) for split in splits for size in split.sizes}
    if len(sizes) == 1 and all(split.distinct_sizes == 1 for split in splits):
        width, height = sizes.pop()
        return [paragraph(f"Every image has {width} × {height} px.")]
    rows = [
        (
            split.name,
            f"{size.width} × {size.height}",
            f"{size.images:,}",
            Cell(bars=(size.images / split.sizes[0].images,)),
        )
        for split in splits
        for size in split.sizes
    ]
    told = "; ".join(f"{split.name} has {split.distinct_sizes:,} sizes" for split in splits)
    columns = ("split", Column("px", "number"), Column("images", "number"), Column("", "bars"))
    return [paragraph(f"{told}. The most frequent:"), table(columns, rows)]


def colour_charts(splits: Sequence[SplitReport]) -> list[Markup]:
    """Draws how the levels of the channels are spread over the images that decode, on one scale for all splits."""
    drawn = [split for split in splits if split.colours]
    levels = [share for split in drawn if split.colours for channel in split.colours.histogram for share in channel]
    common = number_scale("share of pixels", text="{:.0%}".format)(levels)
    return [_colour_chart(split, lambda _: common) for split in drawn]


def _colour_chart(split: SplitReport, y: Scale) -> Markup:
    colours = split.colours
    assert colours is not None  # noqa: S101 - whoever calls has looked
    steps = len(colours.histogram[0])
    curves = [
        Line(f"{name} {mean:.3f} ± {std:.3f}", [((i + 0.5) / steps, share) for i, share in enumerate(channel)], colour)
        for (name, colour), channel, mean, std in zip(
            _CHANNELS, colours.histogram, colours.mean, colours.std, strict=True
        )
    ]
    drawn = chart(
        f"how light the pixels of {split.name} are, by channel",
        curves,
        x=number_scale("level", high=1.0),
        y=y,
        has_caption=False,
    )
    return section(split.name, drawn, note=f"{colours.images:,} images", level=3)
