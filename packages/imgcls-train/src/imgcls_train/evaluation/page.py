"""An evaluation as a page that needs nothing else: figures, reliability, classes, confusions, the surest mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from imgcls_core.images.decode import ImageSource
from imgcls_core.images.thumbnail import thumbnail
from imgcls_report import (
    Card,
    Cell,
    Column,
    Dot,
    Dots,
    Line,
    cards,
    chart,
    details,
    figures,
    heat_map,
    model_words,
    number_scale,
    page,
    paragraph,
    section,
    side_by_side,
    table,
)

from imgcls_train.evaluation.accuracy import ClassAccuracy, Share
from imgcls_train.evaluation.calibration import Calibration
from imgcls_train.evaluation.confusion_matrix import confusion_matrix, grouped_matrix
from imgcls_train.evaluation.document import Evaluation, worst_errors
from imgcls_train.evaluation.text import facts as evaluation_facts
from imgcls_train.evaluation.text import held_out_words

if TYPE_CHECKING:
    from markupsafe import Markup

WORST: Final = 24  # images that are shown
_PAIRS: Final = 15  # above the fold
_CLASSES: Final = 20  # likewise
_MOST_PAIRS: Final = 500
_MATRIX_CLASSES: Final = 24  # more cannot be read
_GROUPS: Final = 60  # of all classes, where those are more
_THUMBNAIL_PX: Final = 160
_TOLD: Final = frozenset({"model", "top-1", "top-5", "log loss", "ECE"})  # facts with a place of their own


def evaluation_page(found: Evaluation, labels: Sequence[str], images: Mapping[int, ImageSource]) -> str:
    """Writes the page.

    Args:
        found: the evaluation.
        labels: of the model's classes, by class id.
        images: place in the split → image, for the worst errors.
    """
    diagrams = [_diagram(found.uncalibrated, "at temperature 1" if found.kind != "artifact" else "as it answers")]
    if found.fit is not None:
        diagrams.append(_diagram(found.fit.held_out, f"with temperature {found.fit.temperature:.4g}"))
    classes = [_classes(found.by_class[:_CLASSES])]
    if rest := found.by_class[_CLASSES:]:
        classes.append(details(f"{len(rest)} more", _classes(rest)))
    facts = evaluation_facts(found)
    body = [
        figures(
            [
                ("top-1" + _interval(found.top1), f"{found.top1.pct:.1f}%"),
                ("top-5" + _interval(found.top5), f"{found.top5.pct:.1f}%"),
                ("log loss, nats", f"{found.calibration.log_loss:.4f}"),
                ("calibration error (ECE, 15 bins)", f"{100 * found.calibration.ece:.2f}%"),
            ]
        ),
        section(
            "Reliability",
            paragraph(
                "Images by the probability of their first answer: how often they are right. On the diagonal a "
                "probability means what it says; below it the model is too sure. The wider the dot, the more images."
            ),
            side_by_side(diagrams),
            *([paragraph(words)] if (words := held_out_words(found)) else []),
        ),
        section("Classes, the hardest first", *classes),
        *_confusions(found, labels),
    ]
    if worst := [place for place in worst_errors(found, WORST) if place in images]:
        body.append(
            section(
                "The surest mistakes",
                paragraph("Wrong answers with the highest probability. Some are wrong labels or show two things."),
                cards(_card(found, labels, place, images[place]) for place in worst),
            )
        )
    facts = {name: value for name, value in facts.items() if name not in _TOLD}
    facts |= {"asked": found.kind, "split sha256": found.split_sha256}
    model = model_words(found.model, found.model_sha256, found.precision)
    return page("imgcls evaluation", found.model, body, date=found.created, model=model, facts=facts)


def _interval(share: Share) -> str:
    return f" (95% interval {share.low_pct:.1f} to {share.high_pct:.1f}%)"


def _card(found: Evaluation, labels: Sequence[str], place: int, image: ImageSource) -> Card:
    answers = found.answers
    texts = [
        f"labelled {labels[answers.expected_class_ids[place]]}",
        f"answer {labels[answers.predicted_class_ids[place]]} {answers.probabilities[place]:.1%}",
    ]
    return Card(answers.names[place].rsplit("/", 1)[-1], thumbnail(image, _THUMBNAIL_PX), texts)


def _classes(rows: Sequence[ClassAccuracy]) -> Markup:
    columns = ("class", *(Column(name, "number") for name in ("top-1", "95% interval", "images")), Column("", "bars"))
    return table(
        columns,
        [
            (
                row.label,
                f"{row.top1.pct:.1f}%",
                f"{row.top1.low_pct:.0f} to {row.top1.high_pct:.0f}%",
                f"{row.images:,}",
                Cell(bars=(row.top1.pct / 100,)),
            )
            for row in rows
        ],
    )


def _confusions(found: Evaluation, labels: Sequence[str]) -> list[Markup]:
    """Lists the most frequent confusions, and draws those between the classes that are confused most."""
    if not found.confusions:
        return [section("What is taken for what", paragraph("Nothing: every first answer is right.", "good"))]
    rows = [
        (pair.expected, pair.predicted, f"{pair.images:,} of {pair.of:,}", Cell(bars=(pair.images / pair.of,)))
        for pair in found.confusions[:_MOST_PAIRS]
    ]
    columns = ("image of", "answer", Column("images", "number"), Column("", "bars"))
    matrix = confusion_matrix(found.answers, _MATRIX_CLASSES)
    shown = len(matrix.groups)
    title = "confusion matrix" if matrix.is_whole else f"confusion matrix of the {shown} classes that are confused most"
    return [
        section(
            "What is taken for what",
            table(columns, rows[:_PAIRS]),
            *([details(f"{len(rows) - _PAIRS} more", table(columns, rows[_PAIRS:]))] if rows[_PAIRS:] else []),
            heat_map(
                title,
                [labels[class_id] for (class_id,) in matrix.groups],
                matrix.counts,
                row_label="labelled",
                column_label="answered",
                rest=matrix.others,
            ),
            *([] if matrix.is_whole else _overview(found, labels)),
            note=f"{sum(pair.images for pair in found.confusions):,} of {found.images:,} images, by "
            f"{len(found.confusions):,} confusions, the most frequent first",
        )
    ]


def _overview(found: Evaluation, labels: Sequence[str]) -> list[Markup]:
    """Draws the wrong answers among all classes, more than can be read one by one, in groups."""
    matrix = grouped_matrix(found.answers, _GROUPS)
    groups = [[labels[class_id] for class_id in group] for group in matrix.groups]
    return [
        heat_map(
            f"wrong answers among all {sum(map(len, groups)):,} classes, in {len(groups)} groups of classes that are "
            "taken for each other; on the diagonal those within a group",
            [f"{group[0]} … {group[-1]}" if group[1:] else group[0] for group in groups],
            matrix.counts,
            row_label="labelled",
            column_label="answered",
            rest=matrix.others,
            is_wrong_alone=True,
        ),
        details(
            "The classes of each group",
            table(
                (Column("group", "number"), "classes"),
                [(f"{number}", ", ".join(group)) for number, group in enumerate(groups, 1)],
            ),
        ),
    ]


def _diagram(calibration: Calibration, title: str) -> Markup:
    most = max(one.images for one in calibration.bins)
    filled = [one for one in calibration.bins if one.images]
    dots = [
        Dot(
            one.confidence,
            one.accuracy,
            f"{one.images:,} images, probability {one.confidence:.1%}, right {one.accuracy:.1%}",
            2.5 + 6 * (one.images / most) ** 0.5,
        )
        for one in filled
    ]
    gaps = [Line("", [(one.confidence, one.confidence), (one.confidence, one.accuracy)], "bad") for one in filled]
    share = "{:.0%}".format
    return chart(
        f"{title}: ECE {100 * calibration.ece:.2f}%, log loss {calibration.log_loss:.4f}",
        [Line("", [(0, 0), (1, 1)], "soft", is_dashed=True), *gaps, Dots("images", dots, "1")],
        x=number_scale("probability of the first answer", high=1.0, text=share),
        y=number_scale("right", high=1.0, text=share),
        is_square=True,
    )
