"""`imgcls-train data`: looks at a dataset before anything is trained on it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click
from imgcls_cli.files import OUTPUT_FILE
from imgcls_cli.helped import HelpedCommand
from imgcls_cli.printable import echo

_NO: Final = 1
_COLOURS: Final = {"error": "red", "warning": "yellow", "note": "blue"}


@click.command(
    "data",
    cls=HelpedCommand,
    examples=(
        "imgcls-train data flowers --html flowers.html",
        "imgcls-train data flowers --strict",
    ),
)
@click.argument("root", type=click.Path(path_type=Path))
@click.option("--splits", help="Which parts to look at, such as train,val.  [default: those that are there]")
@click.option(
    "--html",
    "page",
    type=OUTPUT_FILE,
    help="Write a page with images to this file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON document.")
@click.option("--strict", is_flag=True, help="Exit with 1 on leaks, label conflicts or images that do not decode.")
def command(root: Path, splits: str | None, page: Path | None, *, as_json: bool, strict: bool) -> None:
    """Report on a dataset: classes, sizes, colours, duplicates, leaks between splits, damaged files.

    ROOT holds train and val: as folders (train/CLASS/FILE), as tar files of the same (train.tar, train-000.tar), or is
    CIFAR-10 or CIFAR-100 as torchvision stores it. Findings are told on standard error and do not change the exit
    code unless `--strict` is given; a dataset that cannot be read is exit 2.
    """
    names = None if splits is None else [name.strip() for name in splits.split(",") if name.strip()]
    if names == []:
        raise click.BadParameter("it names no split; write train,val", param_hint="--splits")
    from imgcls_cli.files import replace_file
    from imgcls_cli.terminal import TerminalProgress

    from imgcls_train.survey.page import data_page, images_per_class
    from imgcls_train.survey.survey import open_splits, survey
    from imgcls_train.survey.table import report_text
    from imgcls_train.survey.thumbnails import Thumbnails, spread_choice

    opened = open_splits(root, names)
    report = survey(root, opened, TerminalProgress())
    if page is not None:
        sheet = spread_choice(opened[0], images_per_class(len(report.classes)))
        replace_file(page, data_page(report, Thumbnails(opened), sheet))
    echo(report.to_json().decode() if as_json else report_text(report), nl=False)
    for finding in report.findings:
        echo(finding.severity, err=True, nl=False, fg=_COLOURS[finding.severity])
        # A name of a file may hold a line's end too.
        echo(": " + finding.text.replace("\n", r"\n"), err=True)
    if page is not None:
        echo(f"The page is {page}.", err=True)
    if strict and report.has_errors:
        sys.exit(_NO)
