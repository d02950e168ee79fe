"""`imgcls-batch stats`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from imgcls_cli.files import OUTPUT_FILE
from imgcls_cli.helped import HelpedCommand
from imgcls_cli.printable import echo

if TYPE_CHECKING:
    from imgcls_batch.analysis.statistics import RunStatistics

_CLASSES = 20


@click.command(
    cls=HelpedCommand,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    examples=(
        "imgcls-batch stats out/",
        "imgcls-batch stats s3://answers/2026 --html stats.html",
    ),
)
@click.argument("output")
@click.option("--html", type=OUTPUT_FILE, help="Write a page with charts and samples of each class.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def command(*, output: str, html: Path | None, as_json: bool) -> None:
    """Count what the rows in OUTPUT say: classes, certainty, images without an answer, drift."""
    import msgspec
    from imgcls_cli.files import replace_file

    from imgcls_batch.analysis.answers import AnswerTables
    from imgcls_batch.analysis.statistics import run_statistics

    tables = AnswerTables(rows=output)
    statistics = run_statistics(tables)
    if html is not None:
        from imgcls_batch.analysis.statistics_page import statistics_page

        replace_file(html, statistics_page(statistics, tables))
    echo(msgspec.json.encode(statistics).decode() if as_json else _text(statistics))


def _text(statistics: RunStatistics) -> str:
    run = statistics.run
    bad = statistics.rows - statistics.answered
    lines = [
        f"{statistics.rows:,} of {run.manifest.images:,} images have their rows; model {run.artifact.name} "
        f"({run.artifact.sha256[:12]})",
        f"{bad:,} without an answer ({bad / statistics.rows:.2%})",
        *(f"  {found.code:<20} {found.images:>10,}  {found.example_detail}" for found in statistics.bad),
        "",
    ]
    width = max((len(found.label) for found in statistics.classes[:_CLASSES]), default=0)
    for found in statistics.classes[:_CLASSES]:
        share = found.images / statistics.answered
        lines.append(f"  {found.label:<{width}}  {found.images:>10,}  {share:>6.1%}  p {found.mean_probability:.3f}")
    if (rest := len(statistics.classes) - _CLASSES) > 0:
        lines.append(f"  … and {rest} more classes")
    if (drift := statistics.drift) is not None:
        figures = (("classes", drift.classes), ("confidence", drift.confidence), ("entropy", drift.entropy))
        told = ", ".join(f"{name} {figure.status.replace('_', ' ')}" for name, figure in figures)
        lines += ["", f"drift: {told}"]
    return "\n".join(lines)
