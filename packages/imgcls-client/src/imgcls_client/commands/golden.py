"""`imgcls-client golden`."""

from __future__ import annotations

import re
from pathlib import Path

import click
from imgcls_cli.files import replace_file
from imgcls_cli.helped import HelpedCommand
from imgcls_cli.printable import echo
from imgcls_sdk.errors import SettingsError

from imgcls_client.commands.connection_options import client_from, connection_options, settings_of

_SUFFIXES = {"image/jpeg": ".jpg", "image/tiff": ".tiff", "application/octet-stream": ".bin"}


@click.command(cls=HelpedCommand, examples=("imgcls-client golden", "imgcls-client golden --save photos/"))
@click.option(
    "--save", "folder", type=click.Path(file_okay=False, path_type=Path), help="Write the images into this folder."
)
@click.option("--model", help="Ask for this model's instead of the default one's.")
@connection_options
@click.pass_context
def golden(context: click.Context, folder: Path | None, model: str | None) -> None:
    """List a deployment's golden images with PyTorch's answers, and save them to ask about."""
    with client_from(settings_of(context)) as client:
        cases = client.golden(model).cases
    if not cases:
        raise SettingsError("The model carries no golden images.")
    for case in cases:
        name = _file_name(case.name, case.image)
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise SettingsError(f"{folder} cannot be made: {error.strerror or error}.") from error
            replace_file(folder / name, case.image)
            name = str(folder / name)
        best = case.top[0]
        echo(f"{name}  {best.class_id}  {best.label}  {best.probability:.2%}")


def _file_name(name: str, image: bytes) -> str:
    """Gives a name that stays in its folder, whatever the service says."""
    from imgcls_sdk.calls import media_type_of

    media_type = media_type_of(image)
    suffix = _SUFFIXES.get(media_type, f".{media_type.rsplit('/', 1)[1]}")
    plain = re.sub(r"[^\w.-]+", "_", name.rsplit("/", 1)[-1]).strip("._") or "image"
    is_named = plain.lower().endswith((suffix, ".jpeg", ".jpg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"))
    return plain if is_named else plain + suffix
