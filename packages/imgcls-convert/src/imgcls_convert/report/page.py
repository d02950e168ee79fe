"""NAME.report.html: the report as a page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imgcls_core.images.thumbnail import thumbnail
from imgcls_report import (
    Card,
    Column,
    Dot,
    Dots,
    Line,
    bar_chart,
    bullets,
    cards,
    chart,
    log_scale,
    number_scale,
    page,
    paragraph,
    section,
    table,
)

from imgcls_convert.parity.figures import ImageComparison
from imgcls_convert.report.inspection import Inspection
from imgcls_convert.report.report import ConversionReport

if TYPE_CHECKING:
    from markupsafe import Markup

THUMBNAIL_PX: Final = 160
WORST: Final = 12  # images that are shown


def report_page(report: ConversionReport) -> str:
    """Writes the page of a finished conversion."""
    meta = report.metadata
    inspection = Inspection(Path(report.artifact.name), report.sha256, report.size_bytes, meta)
    body: list[Markup] = []
    yardstick = meta.source.yardstick or "PyTorch"
    if meta.parity is None:
        body.append(paragraph(f"Nobody knows whether this artifact equals {yardstick}: it was not verified.", "bad"))
    if report.table:
        body.append(section(f"Beside {yardstick}", *_precisions(report)))
    if report.decoding:
        body.append(section("Large photos", paragraph(report.decoding.text)))
    if report.images:
        tolerance = meta.parity.tolerance if meta.parity else None
        body += [
            section("Differences, image by image", _plot([row.max_abs_diff for row in report.images], tolerance)),
            section("The images that differ most", cards(_worst(report))),
        ]
    if report.notes:
        body.append(section("Notes", bullets(report.notes)))
    rows = [(name, (seconds,)) for name, seconds in report.seconds.items()]
    body.append(section("Time", bar_chart("wall time", rows, series=("s",), name="stage", text="{:.1f}".format)))
    return page(
        "imgcls conversion",
        meta.name,
        body,
        date=report.created,
        model=inspection.model_words,
        facts=inspection.page_facts(),
        verdict=("NOT VERIFIED", "bad") if meta.parity is None else ("verified", "good"),
    )


def _precisions(report: ConversionReport) -> list[Markup]:
    # Times stand there only where precisions were compared.
    columns = [column for column in zip(*report.precision_table(), strict=True) if any(column[1:])]
    heading, *rows = zip(*columns, strict=True)
    compared = report.table[0].pytorch
    unseen = "images that did not calibrate" if len(report.table) > 1 and report.held_out else "images"
    parts = [
        table((heading[0], *(Column(name, "number") for name in heading[1:])), rows),
        paragraph(f"On {compared.images} {unseen}, {compared.labelled} of them labelled."),
    ]
    if report.float_layers:
        parts.append(paragraph(f"Kept in float: {', '.join(report.float_layers)}"))
    if report.second_look:
        parts.append(paragraph(f"Second look: {report.second_look.text}."))
    if not report.held_out:
        parts.append(paragraph("The images that judge are those that calibrated.", "warn"))
    return parts


def _worst(report: ConversionReport) -> list[Card]:
    labels = [entry.label for entry in report.metadata.classes]
    yardstick = report.metadata.source.yardstick or "PyTorch"

    def texts(row: ImageComparison) -> list[str]:
        told = [
            f"{yardstick}: {labels[row.pytorch_class_id]} {row.pytorch_probability:.2%}",
            f"ONNX: {labels[row.onnx_class_id]} {row.onnx_probability:.2%}",
            f"|Δp| {row.max_abs_diff:.1e}",
        ]
        return told if row.class_id is None else [*told, f"labelled {labels[row.class_id]}"]

    return [
        Card(row.name, thumbnail(report.encoded[row.name], THUMBNAIL_PX), texts(row)) for row in report.images[:WORST]
    ]


def _plot(differences: Sequence[float], tolerance: float | None) -> Markup:
    """Draws the largest |Δp| of each image on a logarithmic scale, the largest first, and the tolerance."""
    dots = [Dot(place + 1, value, f"{value:.1e}", 2.4) for place, value in enumerate(sorted(differences)[::-1])]
    limit = [] if tolerance is None else [Line("tolerance", [(0, tolerance), (len(dots) + 1, tolerance)], "bad", True)]
    return chart(
        "the largest |Δp| of each image, the largest first",
        [Dots("images", dots), *limit],
        x=number_scale("images", is_tight=True),
        y=log_scale("|Δp|"),
    )
