"""Prints the report of a conversion: a short table, or the whole document."""

from __future__ import annotations

import sys
from typing import Final

from imgcls_core.artifact import Parity
from imgcls_networks.models.trained_model import evaluation_words
from imgcls_report import visible

from imgcls_convert.report.inspection import preprocessing_words, yardstick_words
from imgcls_convert.report.report import ConversionReport

_TABLE_LINE: Final = "{:<9}{:>10}{:>9}{:>9}{:>10}{:>10}{:>8}{:>8}{:>9}\n"


def printable(text: str) -> str:
    """Gives lines that a terminal shows as they are: control characters of labels and names become visible signs."""
    return "\n".join(visible(line) for line in text.split("\n"))


def print_report(report: ConversionReport, *, as_json: bool) -> None:
    """Prints the report: a short table, or the whole JSON document."""
    if as_json:
        sys.stdout.write(report.to_json().decode())
        return
    meta, trained = report.metadata, report.trained
    rows = {
        "artifact": f"{report.artifact} ({report.size_bytes / 1e6:.1f} MB)",
        "sha256": report.sha256,
        "model": f"{report.model}, in place of {report.fallback.instead_of}" if report.fallback else "",
        "network": f"{meta.source.architecture}, {len(meta.classes)} classes, {meta.source.precision}",
        "accuracy": evaluation_words(trained.evaluation) if trained and trained.evaluation else "",
        "terms": meta.source.terms or "",
        "input": preprocessing_words(meta.preprocessing),
        "golden": f"{len(meta.golden)} cases",
        "parity": _parity_words(meta.parity, report),
    }
    if report.float_layers:
        rows["in float"] = f"{len(report.float_layers)} layers: {', '.join(report.float_layers)}"
    rows["report"] = f"{report.path}, {report.page_path}"
    # Plain lines and no table: a path or a hash must never be broken at the terminal's width.
    sys.stdout.write(printable("".join(f"{key:<9} {value}\n" for key, value in rows.items() if value)))
    if len(report.table) > 1 or any(row.pytorch.labelled for row in report.table):
        compared = report.table[0].pytorch
        lines = "".join(_TABLE_LINE.format(*line) for line in report.precision_table())
        sys.stdout.write(f"\n{lines}on {compared.images} images, {compared.labelled} of them labelled\n")


def _parity_words(parity: Parity | None, report: ConversionReport) -> str:
    if parity is None:
        return "NOT VERIFIED"
    source = report.metadata.source
    same = round(parity.top1_agreement * parity.images)
    held_out = "" if source.yardstick or source.precision == "fp32" or not report.held_out else " held-out"
    agreed = f"{yardstick_words(source)}top-1 identical on {same} of {parity.images}{held_out} images"
    return f"{agreed}, max |Δp| {parity.max_abs_diff:.1e} (tolerance {parity.tolerance:.0e})"
