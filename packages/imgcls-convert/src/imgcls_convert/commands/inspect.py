"""`imgcls-convert inspect FILE`."""

from __future__ import annotations

from pathlib import Path

import click
from imgcls_cli.files import OUTPUT_FILE
from imgcls_cli.helped import HelpedCommand
from imgcls_cli.printable import echo


@click.command(
    cls=HelpedCommand,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    examples=(
        "imgcls-convert inspect models/resnet18.onnx",
        "imgcls-convert inspect models/resnet18.onnx --html resnet18.html",
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--html", type=OUTPUT_FILE, help="Write a page with the golden images to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(*, file: Path, html: Path | None, as_json: bool) -> None:
    """Shows what is in an artifact: classes, preprocessing, provenance, proof, golden cases."""
    from imgcls_convert.report.inspection import inspect_artifact
    from imgcls_convert.report.inspection_page import write_artifact_page

    found = inspect_artifact(file)
    echo(found.to_json() if as_json else found.to_text(), nl=False)
    if html:
        write_artifact_page(found, html)
        echo(f"page written to {html}", err=True)
