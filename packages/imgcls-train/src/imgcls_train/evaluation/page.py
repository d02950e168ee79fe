"""An evaluation as a page that needs nothing else: figures, reliability, classes, confusions, the surest mistakes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
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
    number_scale,
    origin,
    page,
    paragraph,
    section,
    side_by_side,
    table,
)

from imgcls_train.errors import RunError
from imgcls_train.evaluation.accuracy import ClassAccuracy
from imgcls_train.evaluation.calibration import Calibration
from imgcls_train.evaluation.document import Evaluation, worst_errors
from imgcls_train.evaluation.text import facts as evaluation_facts
from imgcls_train.evaluation.text import held_out_words

if TYPE_CHECKING:
    from markupsafe import Markup

WORST: Final = 24  # images that are shown
_PAIRS: Final = 25
_CLASSES: Final = 20  # above the fold
_MATRIX_CLASSES: Final = 20  # more cannot be read
_THUMBNAIL_PX: Final = 160


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
        figures((name, facts.pop(name)) for name in ("top-1", "top-5", "log loss", "ECE")),
        paragraph("Intervals are 95 % (Wilson).", "soft"),
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
    facts = {"date": found.created, **facts, "split sha256": found.split_sha256, **origin("imgcls-train")}
    return page("imgcls evaluation", found.model, body, facts=facts)


def check_page_place(path: Path) -> None:
    """Raises if no page can be written there.

    Raises:
        RunError: its folder is not there.
    """
    if not path.parent.is_dir():
        raise RunError(f"`--html {path}` cannot be written: there is no folder {str(path.parent)!r}.")


def _card(found: Evaluation, labels: Sequence[str], place: int, image: ImageSource) -> Card:
    answers = found.answers
    texts = [
        f"labelled {labels[answers.expected_class_ids[place]]}",
        f"answer {labels[answers.predicted_class_ids[place]]} {answers.probabilities[place]:.1%}",
    ]
    return Card(answers.names[place].rsplit("/", 1)[-1], thumbnail(image, _THUMBNAIL_PX), texts)


def _classes(rows: Sequence[ClassAccuracy]) -> Markup:
    columns = ("class", *(Column(name, "number") for name in ("top-1", "interval", "images")), Column("", "bars"))
    return table(
        columns,
        [
            (
                row.label,
                f"{row.top1.pct:.1f} %",
                f"{row.top1.low_pct:.0f} to {row.top1.high_pct:.0f} %",
                f"{row.images:,}",
                Cell(bars=(row.top1.pct / 100,)),
            )
            for row in rows
        ],
    )


def _confusions(found: Evaluation, labels: Sequence[str]) -> list[Markup]:
    """Lists the most frequent confusions, and draws them as a matrix of the classes that they are between."""
    if not found.confusions:
        return []
    counts = Counter(zip(found.answers.expected_class_ids, found.answers.predicted_class_ids, strict=True))
    wrong = sorted((pair for pair in counts if pair[0] != pair[1]), key=lambda pair: (-counts[pair], pair))
    among = sorted({class_id for pair in counts for class_id in pair})
    title = "confusion matrix"
    if len(among) > _MATRIX_CLASSES:
        among = sorted(list(dict.fromkeys(class_id for pair in wrong for class_id in pair))[:_MATRIX_CLASSES])
        title = f"confusion matrix of the {len(among)} classes that are confused most"
    matrix = [[counts[row, column] for column in among] for row in among]
    names = [labels[class_id] for class_id in among]
    rows = [(pair.expected, pair.predicted, f"{pair.images} of {pair.of}") for pair in found.confusions[:_PAIRS]]
    return [
        section(
            "What is taken for what",
            heat_map(title, names, matrix, row_label="labelled", column_label="answered"),
            table(("image of", "answer", Column("images", "number")), rows),
        )
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
        f"{title}: ECE {100 * calibration.ece:.2f} %, log loss {calibration.log_loss:.4f} nats",
        [Line("", [(0, 0), (1, 1)], "soft", is_dashed=True), *gaps, Dots("images", dots, "1")],
        x=number_scale("probability of the first answer", high=1.0, text=share),
        y=number_scale("right", high=1.0, text=share),
        is_square=True,
    )
