"""`imgcls-batch pick`."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import click
from imgcls_cli.files import OUTPUT_FILE
from imgcls_cli.helped import HelpedCommand
from imgcls_cli.printable import csv_cell, echo

if TYPE_CHECKING:
    from imgcls_batch.analysis.answers import AnswerTables
    from imgcls_batch.analysis.choice import Measure, PickedImage


@click.command(
    cls=HelpedCommand,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    examples=(
        "imgcls-batch pick out/ --uncertain 500 --list label-these.csv",
        "imgcls-batch pick out/ --by entropy --images label-these/",
    ),
)
@click.argument("output")
@click.option("--uncertain", type=click.IntRange(1), default=500, metavar="N", help="How many images at most.")
@click.option("--by", type=click.Choice(["margin", "entropy", "confidence"]), default="margin", help="What counts.")
@click.option("--list", "list_file", type=OUTPUT_FILE, help="Write the CSV there. [default: stdout]")
@click.option("--images", type=click.Path(path_type=Path, file_okay=False), help="Copy the images into this folder.")
def command(*, output: str, uncertain: int, by: Measure, list_file: Path | None, images: Path | None) -> None:
    """Pick the images of OUTPUT that are most worth labelling: the least certain, of every class some.

    The CSV is a SOURCE of `imgcls-batch run`, where the images are files or objects of their own.
    """
    from imgcls_cli.files import replace_file

    from imgcls_batch.analysis.answers import AnswerTables
    from imgcls_batch.analysis.choice import pick_uncertain

    tables = AnswerTables(rows=output)
    picked = pick_uncertain(tables, uncertain, by=by)
    text = _csv(picked)
    if list_file is None:
        echo(text, nl=False)
    else:
        replace_file(list_file, text)
    if images is not None:
        missing = _copy(picked, tables, images)
        echo(f"{len(picked) - missing:,} images in {images}; {missing:,} are not to be had any more", err=True)
    if list_file is not None:
        classes = len({image.label for image in picked})
        echo(f"{len(picked):,} images of {classes:,} classes in {list_file}")


def _csv(picked: list[PickedImage]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["uri", "id", "label", "probability", "second", "margin", "entropy"])
    for image in picked:
        margin = "" if image.margin is None else f"{image.margin:.6f}"
        facts = [f"{image.probability:.6f}", csv_cell(image.second or ""), margin, f"{image.entropy:.6f}"]
        table.writerow([image.uri, image.id, csv_cell(image.label), *facts])
    return text.getvalue()


def _copy(picked: list[PickedImage], tables: AnswerTables, folder: Path) -> int:
    """Copies images under their ids; gives how many are not to be had."""
    from imgcls_batch.analysis.image_finder import ImageFinder
    from imgcls_batch.sources.entry import suffix

    finder = ImageFinder(tables.outputs["rows"], tables.runs["rows"])
    folder.mkdir(parents=True, exist_ok=True)
    missing = 0
    for image in picked:
        content = finder.read(image.id)
        if content is None:
            missing += 1
        else:
            (folder / f"{image.id:012d}{suffix(image.uri)}").write_bytes(content)
    return missing
