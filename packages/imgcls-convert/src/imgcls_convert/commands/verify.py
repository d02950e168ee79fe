"""`imgcls-convert verify FILE`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import click
from imgcls_networks.errors import RequestError


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--model", help="What it was converted from: asks PyTorch again, as MODEL of the conversion did.")
@click.option("--weights", metavar="PATH|URL", help="The checkpoint of --model.")
@click.option("--images", type=click.Path(path_type=Path), help="Folder of images to ask as well; needs --model.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(*, file: Path, model: str | None, weights: str | None, images: Path | None, as_json: bool) -> int:
    """Proves an artifact again: its golden cases, or with --model every answer against PyTorch.

    The golden cases hold PyTorch's recorded answers, so they need no PyTorch. Exit code 1 when the artifact differs.
    """
    from imgcls_convert.parity.verify import verify_golden

    if model is not None:
        if importlib.util.find_spec("torch") is None:
            raise RequestError(
                f"PyTorch is not installed; `imgcls-convert verify {file}` replays the golden cases without it."
            )
        from imgcls_convert.parity.verify_pytorch import verify_against_pytorch

        found = verify_against_pytorch(file, model=model, weights=weights, images=images)
    elif weights or images:
        raise click.UsageError("--weights and --images need --model, the network that PyTorch is to be asked with.")
    else:
        found = verify_golden(file)
    sys.stdout.write(found.to_json() if as_json else found.to_text())
    return 0 if found.passed else 1
