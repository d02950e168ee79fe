"""`imgcls-convert verify FILE`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import get_args

import click
from imgcls_cli.helped import HelpedCommand
from imgcls_cli.printable import echo
from imgcls_core.inference.providers import ProviderRequest
from imgcls_networks.errors import RequestError


@click.command(
    cls=HelpedCommand,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    examples=(
        "imgcls-convert verify models/resnet18.onnx           # its golden cases",
        "imgcls-convert verify models/pets.onnx --model runs/pets --images photos",
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--model", help="What it was converted from: asks PyTorch again, as MODEL of the conversion did.")
@click.option("--weights", metavar="PATH|URL", help="The checkpoint of --model.")
@click.option("--state-key", metavar="NAME", help="Which weights of the checkpoint, where it has several.")
@click.option("--output-name", metavar="NAME", help="Which output of --model, where that is ONNX with several.")
@click.option("--images", type=click.Path(path_type=Path), help="Folder of images to ask as well; needs --model.")
@click.option("--key", metavar="FILE|BASE64", help="Public key, as PEM or base64, that must have signed the artifact.")
@click.option("--trust", is_flag=True, help="Let --model be a TorchScript or torch.export file, whose code then runs.")
@click.option(
    "--provider",
    type=click.Choice(get_args(ProviderRequest)),
    default="cpu",
    show_default=True,
    metavar="NAME",
    help=f"What answers: {', '.join(get_args(ProviderRequest))}; `cpu` is ONNX Runtime.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    *,
    file: Path,
    model: str | None,
    weights: str | None,
    state_key: str | None,
    output_name: str | None,
    images: Path | None,
    key: str | None,
    trust: bool,
    provider: str,
    as_json: bool,
) -> int:
    """Proves an artifact again: its seal, its golden cases, or with --model every answer against PyTorch.

    The golden cases hold PyTorch's recorded answers, so they need no PyTorch. Exit code 1 when the artifact differs,
    was changed after it was sealed, or is not signed by --key.
    """
    from imgcls_core.artifact.signature import read_public_key
    from imgcls_core.errors import SealBrokenError, TrustError

    from imgcls_convert.parity.verify import read_origin, verify_golden

    trusted = [read_public_key(key)] if key is not None else []
    if model is None and (weights or images or state_key or output_name):
        raise click.UsageError(
            "--weights, --state-key, --output-name and --images need --model, the network that PyTorch is asked with."
        )
    try:
        origin = read_origin(file, trusted)
    except (SealBrokenError, TrustError) as error:
        echo(f"imgcls-convert: {error!s}", err=True)
        return 1
    if model is None:
        found = verify_golden(file, origin, provider=provider)
    elif importlib.util.find_spec("torch") is None:
        raise RequestError(
            f"PyTorch is not installed; `imgcls-convert verify {file}` replays the golden cases without it."
        )
    else:
        from imgcls_convert.parity.verify_pytorch import verify_against_pytorch

        found = verify_against_pytorch(
            file,
            origin,
            model=model,
            weights=weights,
            state_key=state_key,
            output_name=output_name,
            images=images,
            trust=trust,
            provider=provider,
        )
    echo(found.to_json() if as_json else found.to_text(), nl=False)
    return 0 if found.passed else 1
