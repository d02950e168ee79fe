"""The difference of two runs as one page, with the images whose class changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from imgcls_report import Card, Column, cards, figures, model_words, page, paragraph, section, table
from markupsafe import Markup

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
                    (f"same class (95% interval {low:.2%} to {high:.2%})", f"{difference.agreement:.2%}"),
                    ("images compared", f"{difference.compared:,}"),
                    ("changed class", f"{difference.compared - difference.same:,}"),
                    ("lost their answer", f"{difference.lost:,}", "bad" if difference.lost else ""),
                    ("gained an answer", f"{difference.gained:,}"),
                ]
            ),
            paragraph(
                f"{difference.only_before:,} rows are only in the first output, {difference.only_after:,} only in the "
                "second."
            )
            if difference.only_before or difference.only_after
            else Markup(),
            section("Changed, by class", table(["before", "after", Column("images", "number")], pairs))
            if pairs
            else paragraph("No image changed its class."),
            *(
                [section("Changed images", cards(shown), note="those first of which both models were most certain")]
                if shown
                else []
            ),
        ],
        date=datetime.now(UTC),
        facts={
            name: f"{model_words(one.name, one.sha256, one.precision)}: {tables.outputs[name].url}"
            for name, one in (("before", before.artifact), ("after", after.artifact))
        },
    )
