"""NAME.report.html: the report as a page that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

from imgcls_convert.parity.gate import ImageComparison
from imgcls_convert.report.html_page import card, facts, page, table
from imgcls_convert.report.inspection import Inspection
from imgcls_convert.report.report import ConversionReport

WORST: Final = 12  # images that are shown

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 760, 260, 60, 36, 12  # of the plot, in px
_LEAST: Final = 1e-9  # differences below are drawn here; a logarithm has no 0


def report_page(report: ConversionReport, images: Mapping[str, bytes]) -> str:
    """Writes the page.

    Args:
        report: of a finished conversion, its images sorted with the worst first.
        images: name → encoded image, for the worst ones at least.
    """
    meta = report.metadata
    inspection = Inspection(Path(report.artifact.name), report.sha256, report.size_bytes, meta)
    body = [f"<h1>{escape(meta.name)}</h1>"]
    if meta.parity is None:
        body.append('<p class="warn"><b>NOT VERIFIED</b>: nobody knows whether this artifact equals PyTorch.</p>')
    body.append(facts(inspection.facts() | {"converted": report.created}))
    if report.table:
        body += ["<h2>Beside PyTorch</h2>", _precisions(report)]
        if report.float_layers:
            body.append(f"<p>Kept in float: <code>{escape(', '.join(report.float_layers))}</code></p>")
        if not report.held_out:
            body.append('<p class="warn">The images that judge are those that calibrated.</p>')
    if report.images:
        body += [
            "<h2>Differences, image by image</h2>",
            "<p>The largest |Δp| of each image, sorted; the dashed line is the tolerance.</p>",
            _plot([row.max_abs_diff for row in report.images], meta.parity.tolerance if meta.parity else None),
            "<h2>The images that differ most</h2>",
            f'<div class="cards">{"".join(_worst(report, images))}</div>',
        ]
    if report.notes:
        body += ["<h2>Notes</h2>", "<ul>", *(f"<li>{escape(note)}</li>" for note in report.notes), "</ul>"]
    body += ["<h2>Time</h2>", table(("stage", "s"), ((name, f"{s:.1f}") for name, s in report.seconds.items()))]
    return page(f"{meta.name} · imgcls conversion", body)


def _precisions(report: ConversionReport) -> str:
    heading, *rows = report.precision_table()
    compared = report.table[0].pytorch
    unseen = "images that did not calibrate" if len(report.table) > 1 and report.held_out else "images"
    return table(heading, rows) + f"<p>On {compared.images} {unseen}, {compared.labelled} of them labelled.</p>"


def _worst(report: ConversionReport, images: Mapping[str, bytes]) -> list[str]:
    labels = [entry.label for entry in report.metadata.classes]

    def lines(row: ImageComparison) -> list[str]:
        told = [
            f"PyTorch: {labels[row.pytorch_class_id]} {row.pytorch_probability:.2%}",
            f"ONNX: {labels[row.onnx_class_id]} {row.onnx_probability:.2%}",
            f"|Δp| {row.max_abs_diff:.1e}",
        ]
        return told if row.class_id is None else [*told, f"labelled {labels[row.class_id]}"]

    return [card(row.name, images[row.name], lines(row)) for row in report.images[:WORST] if row.name in images]


def _plot(differences: Sequence[float], tolerance: float | None) -> str:
    """Points on a logarithmic scale, as SVG."""
    values = sorted((max(value, _LEAST) for value in differences), reverse=True)
    shown = [*values, tolerance] if tolerance else values
    high, low = math.ceil(math.log10(max(shown))), math.floor(math.log10(min(shown)))
    low = min(low, high - 1)

    def y(value: float) -> float:
        return _TOP + (high - math.log10(value)) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    def x(place: int) -> float:
        return _LEFT + (place + 0.5) / len(values) * (_WIDTH - _LEFT - 10)

    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" aria-label="largest |Δp| by image">']
    for power in range(low, high + 1):
        at = y(10.0**power)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - 10}" y1="{at:.1f}" y2="{at:.1f}" stroke="var(--line)"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">1e{power}</text>')
    parts += [f'<circle cx="{x(i):.1f}" cy="{y(v):.1f}" r="2.4" fill="var(--ink)"/>' for i, v in enumerate(values)]
    if tolerance:
        at = y(tolerance)
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - 10}" y1="{at:.1f}" y2="{at:.1f}" stroke="var(--warn)" '
            'stroke-dasharray="6 4"/>'
        )
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 8}">{len(values)} images, the largest difference first</text></svg>')
    return "".join(parts)
