"""`imgcls-convert diff A B [IMAGES]`."""

from __future__ import annotations

from pathlib import Path

import click
from imgcls_cli.helped import HelpedCommand
from imgcls_cli.printable import echo


@click.command(
    cls=HelpedCommand,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    examples=("imgcls-convert diff models/pets.onnx models/pets_int8.onnx photos",),
)
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.argument("images", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(*, a: Path, b: Path, images: Path | None, as_json: bool) -> int:
    """Compares the answers of two artifacts on a folder of images (default: the golden images of A).

    Each artifact prepares the images in its own way. Exit code 1 when they name different classes for any image.
    """
    from imgcls_convert.parity.diff import compare_artifacts

    found = compare_artifacts(a, b, images)
    echo(found.to_json() if as_json else found.to_text(), nl=False)
    return 0 if found.agree else 1
