"""The command `imgcls-serve`; importing it must not import the service."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

import click

EXIT_USAGE = 2


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="imgcls-serve", prog_name="imgcls-serve")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Artifact to serve, made by imgcls-convert (IMGCLS_MODEL).",
)
@click.option("--host", help="Address to listen on (IMGCLS_HOST, default 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (IMGCLS_PORT, default 8192).")
def main(model: Path | None, host: str | None, port: int | None) -> None:
    """Serves an imgcls artifact over HTTP.

    Every other setting comes from the environment as IMGCLS_NAME; the documentation lists them.
    """
    from imgcls_serve.settings import SettingsError, read_settings

    try:
        settings = read_settings(model=model, host=host, port=port)
    except SettingsError as error:
        _refuse(str(error))
    if settings.model is None:
        _refuse("No model to serve. Give one with `--model FILE` or IMGCLS_MODEL; `imgcls-convert` makes one.")
    if not settings.model.is_file():
        _refuse(f"There is no artifact at {str(settings.model)!r}. Make one with `imgcls-convert --output FILE`.")

    from imgcls_serve.server import serve

    sys.exit(serve(settings))


def _refuse(message: str) -> NoReturn:
    click.echo(f"imgcls-serve: {message}", err=True)
    sys.exit(EXIT_USAGE)
