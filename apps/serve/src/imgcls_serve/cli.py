"""The command `imgcls-serve`; importing it must not import the service."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from imgcls_serve.settings import Settings

EXIT_USAGE = 2


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="imgcls-serve", prog_name="imgcls-serve")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Artifact to serve, made by imgcls-convert (IMGCLS_MODEL).",
)
@click.option(
    "--models-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of artifacts to serve, each under its file's name, or a model store (IMGCLS_MODELS_DIR).",
)
@click.option("--host", help="Address to listen on (IMGCLS_HOST, default 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (IMGCLS_PORT, default 8192).")
@click.option("--settings", "show_settings", is_flag=True, help="Print all settings as a table and exit.")
@click.option("--openapi", "show_openapi", is_flag=True, help="Print the OpenAPI document and exit.")
def main(
    model: Path | None,
    models_dir: Path | None,
    host: str | None,
    port: int | None,
    show_settings: bool,
    show_openapi: bool,
) -> None:
    """Serves an imgcls artifact over HTTP.

    Every other setting comes from the environment as IMGCLS_NAME; `--settings` lists them.
    """
    if show_settings:
        _print_settings()
    if show_openapi:
        _print_openapi()

    from imgcls_serve.settings import InvalidSettingError, read_settings

    try:
        settings = read_settings(model=model, models_dir=models_dir, host=host, port=port)
    except InvalidSettingError as error:
        _refuse(str(error))
    _check_files(settings)

    from imgcls_serve.models.loading import end_process
    from imgcls_serve.server import serve

    end_process(serve(settings))


def _print_settings() -> NoReturn:
    from imgcls_serve.settings import settings_table

    click.echo(settings_table())
    sys.exit(0)


def _print_openapi() -> NoReturn:
    import json

    from imgcls_serve.app import openapi

    click.echo(json.dumps(openapi(), indent=1, ensure_ascii=False))
    sys.exit(0)


def _check_files(settings: Settings) -> None:
    from imgcls_serve.models.model_files import find_artifacts

    model, folder = settings.model, settings.models_dir
    if model is None and folder is None:
        _refuse(
            "No model to serve. Give one with `--model FILE` or IMGCLS_MODEL, or a folder with `--models-dir DIR`; "
            "`imgcls-convert` makes one."
        )
    if model is not None and not model.is_file():
        _refuse(f"There is no artifact at {str(model)!r}. Make one with `imgcls-convert --output FILE`.")
    found = find_artifacts(folder) if folder is not None else {}
    if folder is not None and not found:
        _refuse(
            f"There is no artifact in {str(folder)!r}, neither NAME.onnx nor NAME/latest.json of a model store. "
            "Make one with `imgcls-convert --output FILE`."
        )
    names = {*found} | ({model.stem} if model is not None else set[str]())
    if settings.default_model is not None and settings.default_model not in names:
        _refuse(f"IMGCLS_DEFAULT_MODEL is {settings.default_model!r}; there are {', '.join(sorted(names))}.")


def _refuse(message: str) -> NoReturn:
    click.echo(f"imgcls-serve: {message}", err=True)
    sys.exit(EXIT_USAGE)
