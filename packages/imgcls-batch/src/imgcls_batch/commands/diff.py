"""`imgcls-batch diff`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from imgcls_cli.files import OUTPUT_FILE
from imgcls_cli.helped import HelpedCommand
from imgcls_cli.printable import echo

if TYPE_CHECKING:
    from imgcls_batch.analysis.difference import RunDifference

_PAIRS = 15


@click.command(
    cls=HelpedCommand,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    examples=(
        "imgcls-batch diff out-old/ out-new/",
        "imgcls-batch diff out-old/ out-new/ --html changed.html --min-agreement 98",
    ),
)
@click.argument("before")
@click.argument("after")
@click.option("--html", type=OUTPUT_FILE, help="Write a page with the images whose class changed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option(
    "--min-agreement",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Exit with 1 when the lower end of the interval is below.",
)
def command(*, before: str, after: str, html: Path | None, as_json: bool, min_agreement: float | None) -> int:
    """Compare the rows of two outputs, of two models over the same images: what a retraining changes."""
    import msgspec
    from imgcls_cli.files import replace_file

    from imgcls_batch.analysis.answers import AnswerTables
    from imgcls_batch.analysis.difference import run_difference

    tables = AnswerTables(before=before, after=after)
    difference = run_difference(tables)
    if html is not None:
        from imgcls_batch.analysis.difference_page import difference_page

        replace_file(html, difference_page(difference, tables))
    echo(msgspec.json.encode(difference).decode() if as_json else _text(difference))
    return int(min_agreement is not None and difference.interval[0] * 100 < min_agreement)


def _text(difference: RunDifference) -> str:
    low, high = difference.interval
    lines = [
        f"{difference.agreement:.2%} of {difference.compared:,} images have the same class in both "
        f"(95 %: {low:.2%} to {high:.2%})",
        f"{difference.compared - difference.same:,} changed; {difference.lost:,} lost their answer, "
        f"{difference.gained:,} gained one",
    ]
    if not difference.is_same_manifest:
        lines.append(
            f"the outputs are of different listings and were compared by URI: {difference.only_before:,} rows are only "
            f"in the first, {difference.only_after:,} only in the second"
        )
    lines += [f"  {pair.images:>8,}  {pair.before} → {pair.after}" for pair in difference.pairs[:_PAIRS]]
    return "\n".join(lines)
