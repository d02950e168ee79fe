"""The difference of two runs as one page, with the images whose class changed."""

from __future__ import annotations

from typing import Final

from imgcls_report import Card, Column, cards, figures, origin, page, paragraph, section, table

from imgcls_batch.analysis.answers import AnswerTables
from imgcls_batch.analysis.difference import RunDifference
from imgcls_batch.analysis.image_finder import ImageFinder

_SIDE_PX: Final = 160


def difference_page(difference: RunDifference, tables: AnswerTables) -> str:
    """Writes the page; images are read again for it."""
    before, after = tables.runs["before"], tables.runs["after"]
    low, high = difference.interval
    finder = ImageFinder(tables.outputs["after"], after)
    shown = [
        Card(
            f"{image.before} → {image.after}",
            finder.thumbnail(image.id, _SIDE_PX),
            (
                f"{image.before_probability:.1%} → {image.after_probability:.1%}",
                image.uri.rsplit("/", 1)[-1],
            ),
        )
        for image in difference.examples
    ]
    pairs = [(pair.before, pair.after, f"{pair.images:,}") for pair in difference.pairs]
    return page(
        "imgcls batch diff",
        f"{before.artifact.name} and {after.artifact.name}",
        [
            figures(
                [
                    ("same class", f"{difference.agreement:.2%}"),
                    ("95 % interval", f"{low:.2%} to {high:.2%}"),
                    ("compared", f"{difference.compared:,}"),
                    ("changed", f"{difference.compared - difference.same:,}"),
                ]
            ),
            paragraph(
                f"{difference.lost:,} images lost their answer and {difference.gained:,} gained one. "
                f"{difference.only_before:,} rows are only in the first output, {difference.only_after:,} only in the "
                "second."
            ),
            section("Changed, by class", table(["before", "after", Column("images", "number")], pairs))
            if pairs
            else paragraph("No image changed its class."),
            section("Changed images", cards(shown), note="those first of which both models were most certain"),
        ],
        facts={
            "before": f"{before.artifact.name} ({before.artifact.sha256[:12]}), {tables.outputs['before'].url}",
            "after": f"{after.artifact.name} ({after.artifact.sha256[:12]}), {tables.outputs['after'].url}",
            **origin("imgcls-batch"),
        },
    )
