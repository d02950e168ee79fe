"""Prints the report of a conversion: a short table, or the whole document."""

from __future__ import annotations

from typing import Final

from imgcls_cli.printable import echo

from imgcls_convert.report.report import ConversionReport

_TABLE_LINE: Final = "{:<9}{:>10}{:>9}{:>9}{:>10}{:>10}{:>8}{:>8}{:>9}\n"


def print_report(report: ConversionReport, *, as_json: bool) -> None:
    """Prints the report: a short table, or the whole JSON document."""
    if as_json:
        echo(report.to_json().decode(), nl=False)
        return
    rows = report.facts()
    # Plain lines and no table: a path or a hash must never be broken at the terminal's width.
    echo("".join(f"{key:<9} {value}\n" for key, value in rows.items() if value), nl=False)
    if len(report.table) > 1 or any(row.pytorch.labelled for row in report.table):
        compared = report.table[0].pytorch
        lines = "".join(_TABLE_LINE.format(*line) for line in report.precision_table())
        echo(f"\n{lines}on {compared.images} images, {compared.labelled} of them labelled\n", nl=False)
