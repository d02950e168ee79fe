"""The command `imgcls-serve`; importing it must not import the service."""

from __future__ import annotations

import difflib
import os
import re
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import click

if TYPE_CHECKING:
    from imgcls_serve.settings import Settings

_T = TypeVar("_T")
EXIT_USAGE = 2

_MODELS = Path("models")
_BUNDLED = "everyday100"
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
# What somebody may set who only looks; whoever sets anything else has a deployment in mind, and a model of their own.
_OF_A_TRIAL = frozenset({"host", "port", "provider", "threads", "log_format", "log_level"})
_NETWORKS = frozenset({".pt", ".pt2", ".py", ".mar"})
_WEIGHTS = frozenset({".pth", ".safetensors", ".ckpt", ".bin", ".tar"})
_IMAGES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic"})

_EXAMPLES = """\b
Examples:
  imgcls-serve                          # models/, else the bundled model
  imgcls-serve models/pets.onnx --port 8000
  IMGCLS_PROVIDER=cuda imgcls-serve --models-dir s3-copy/
  imgcls-serve --settings               # every IMGCLS_ variable"""


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXAMPLES)
@click.version_option(package_name="imgcls-serve", prog_name="imgcls-serve")
@click.argument("path", type=click.Path(path_type=Path), metavar="[MODEL]", required=False)
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
@click.option(
    "--port", type=click.IntRange(0, 65535), metavar="N", help="Port to listen on (IMGCLS_PORT, default 8192)."
)
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Processes that serve as one, where one cannot feed the machine (IMGCLS_WORKERS, default 1).",
)
@click.option("--seat", hidden=True, help="Of a worker, from its supervisor.")
@click.option("--settings", "show_settings", is_flag=True, help="Print all settings as a table and exit.")
@click.option("--openapi", "show_openapi", is_flag=True, help="Print the OpenAPI document and exit.")
def main(
    path: Path | None,
    model: Path | None,
    models_dir: Path | None,
    host: str | None,
    port: int | None,
    workers: int | None,
    seat: str | None,
    show_settings: bool,
    show_openapi: bool,
) -> None:
    """Serves an imgcls artifact over HTTP.

    MODEL is an artifact or a folder of them, as with `--model` and `--models-dir`; without any it is the folder
    `models`, where `imgcls-convert` writes. Where that is empty too, and nothing else is configured, it is the
    bundled model `everyday100`, for this machine alone.

    Every other setting comes from the environment as IMGCLS_NAME; `--settings` lists them.
    """
    if path is not None and (model is not None or models_dir is not None):
        _refuse("Give MODEL, or `--model` and `--models-dir`, not both.")
    if show_settings:
        _print_settings()
    if show_openapi:
        _print_openapi()

    from imgcls_serve.settings import InvalidSettingError, read_settings

    try:
        settings = read_settings(model=model, models_dir=models_dir, host=host, port=port, workers=workers)
        if seat is not None:
            _serve_as_worker(settings, seat)
        model, models_dir, notice = _in_time(partial(_what_to_serve, path, settings), settings.load_timeout_s)
        settings = read_settings(model=model, models_dir=models_dir, host=host, port=port, workers=workers)
    except (InvalidSettingError, _RefusedError) as error:
        _refuse(str(error))
    except OSError as error:
        _refuse(f"{error.filename!r} cannot be read: {error.strerror}.")

    from imgcls_serve.models.loading import end_process

    if settings.workers > 1:
        from imgcls_serve.workers.supervisor import supervise as serve
    else:
        from imgcls_serve.start import serve
    end_process(serve(settings, notice=notice))


def _serve_as_worker(settings: Settings, seat: str) -> NoReturn:
    import msgspec

    from imgcls_serve.models.loading import end_process
    from imgcls_serve.start import serve
    from imgcls_serve.workers.seat import Seat

    end_process(serve(settings, seat=msgspec.json.decode(seat, type=Seat, dec_hook=lambda kind, text: kind(text))))


def _print_settings() -> NoReturn:
    from imgcls_serve.settings_table import settings_table

    click.echo(settings_table())
    sys.exit(0)


def _print_openapi() -> NoReturn:
    import json

    from imgcls_serve.app import openapi

    click.echo(json.dumps(openapi(), indent=1, ensure_ascii=False))
    sys.exit(0)


class _RefusedError(Exception):
    """What was given cannot be served; the message is for whoever gave it."""


def _in_time(work: Callable[[], _T], limit_s: float) -> _T:
    """Does what asks a disk, which may be a network mount that never answers."""
    future: Future[_T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return future.result(limit_s)
    except FutureTimeoutError:
        raise _RefusedError(
            f"The disk with the model does not answer within {limit_s:g} s (IMGCLS_LOAD_TIMEOUT_S). Is it a network "
            "mount that is gone?"
        ) from None


def _what_to_serve(path: Path | None, settings: Settings) -> tuple[Path | None, Path | None, str | None]:
    """Gives artifact, folder, and a sentence on what was chosen unasked.

    Raises:
        _RefusedError: there is nothing that can be served.
    """
    model, folder, notice = settings.model, settings.models_dir, None
    if path is not None and str(path) == _BUNDLED and not path.exists():
        model, notice = _bundled(), f"Serving the bundled {_BUNDLED}."
    elif path is not None:
        model, folder = (model, path) if path.is_dir() else (path, folder)
    elif model is None and folder is None:
        if _MODELS.is_dir() and any(not one.name.startswith(".") for one in _MODELS.iterdir()):
            folder = _MODELS
        else:
            model, notice = _bundled_unasked(settings)
    _check_files(model, folder, settings.default_model)
    if settings.models_cache is not None:
        _check_cache(settings.models_cache)
    return model, folder, notice


def _bundled() -> Path:
    try:
        from imgcls_everyday100 import ARTIFACT
    except ModuleNotFoundError:
        raise _RefusedError(
            f"The bundled model {_BUNDLED} is not installed: `pip install 'imgcls-serve[demo]'`. One of your own "
            "is served with `imgcls-serve FILE`."
        ) from None
    return ARTIFACT


def _bundled_unasked(settings: Settings) -> tuple[Path, str]:
    """Gives the bundled model and the sentence that says so, where nobody can take it for a model of theirs."""
    from imgcls_serve.settings import unknown_variables

    names = [*sorted(f"IMGCLS_{name.upper()}" for name in settings.model_fields_set - _OF_A_TRIAL)]
    wants = [f"{name} is set" for name in (*names, *(sentence.split()[0] for sentence in unknown_variables()))]
    if settings.host not in _LOOPBACK:
        wants.append(f"others can reach {settings.host}")
    nothing = f"No model was given and {_MODELS}/ is empty"
    if wants or find_spec("imgcls_everyday100") is None:
        reason = f" (not unasked: {', '.join(wants)})" if wants else ""
        raise _RefusedError(
            f"{nothing}. Give one with `imgcls-serve FILE`, IMGCLS_MODEL or a folder with IMGCLS_MODELS_DIR; "
            f"`imgcls-convert` makes one. To look at the bundled one{reason}: `imgcls-serve {_BUNDLED}`."
        )
    return _bundled(), f"{nothing}: serving the bundled {_BUNDLED}, to this machine alone; yours: `imgcls-serve FILE`."


def _check_files(model: Path | None, folder: Path | None, default_model: str | None) -> None:
    from imgcls_serve.models.model_files import find_artifacts

    if model is not None and model.is_dir():
        raise _RefusedError(f"{str(model)!r} is a folder: give it as `--models-dir {model}`.{_next_step(model)}")
    if model is not None and not model.is_file():
        raise _RefusedError(f"There is no artifact at {str(model)!r}. {_instead(model)}")
    if model is not None and model.suffix.lower() in _NETWORKS | _WEIGHTS | _IMAGES:
        raise _RefusedError(f"{str(model)!r} is no artifact.{_next_step(model)}")
    found = find_artifacts(folder) if folder is not None else {}
    if folder is not None and not found:
        raise _RefusedError(
            f"There is no artifact in {str(folder)!r}, neither NAME.onnx nor NAME/latest.json of a model store."
            f"{_next_step(folder) or ' Make one with `imgcls-convert --output FILE`.'}"
        )
    names = {*found} | ({model.stem} if model is not None else set[str]())
    if default_model is not None and default_model not in names:
        raise _RefusedError(f"IMGCLS_DEFAULT_MODEL is {default_model!r}; there are {', '.join(sorted(names))}.")


def _check_cache(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if os.name == "posix" and (found.st_uid != os.geteuid() or found.st_mode & 0o022):
        raise _RefusedError(
            f"IMGCLS_MODELS_CACHE is {str(folder)!r}, into which others may write, and what lies there is run. Name a "
            f"folder of this user's own: `chmod 700 {folder}`."
        )


def _instead(path: Path) -> str:
    """Says what somebody may have meant by a path where nothing is."""
    if re.match(r"\w+:/", str(path)):
        return "The service reads files: fetch it first; `imgcls-train pull` copies a model store."
    there = {one.stem: one for one in (*path.parent.glob("*.onnx"), *_MODELS.glob("*.onnx"), _MODELS, Path(_BUNDLED))}
    if near := difflib.get_close_matches(path.stem, there, 1):
        return f"Is `imgcls-serve {there[near[0]]}` meant?"
    if path.suffix:
        return "Make one with `imgcls-convert --output FILE`."
    return f"Make one with `imgcls-convert {path} --output models/{path.name}.onnx`."


def _next_step(path: Path) -> str:
    """Says how what somebody gave becomes an artifact, where that can be seen by its name."""
    if path.is_dir():
        if (path / "model.json").is_file() or (path / "config.json").is_file():
            return f" It holds a trained model: convert it first, `imgcls-convert {path}`."
        found = sorted(one for one in path.iterdir() if one.is_file() and one.suffix.lower() in _NETWORKS | _WEIGHTS)
        return _next_step(found[0]) if found else ""
    if not path.is_file():
        return ""
    if path.suffix.lower() in _IMAGES:
        return f" {path.name} is an image: serve a model, and ask it, `imgcls-client predict {path}`."
    output = f"--output models/{path.stem}.onnx"
    if path.suffix.lower() in _NETWORKS:
        return f" {path.name} holds a network: convert it first, `imgcls-convert {path} {output}`."
    return (
        f" {path.name} holds weights: convert them first with the network that they belong to, "
        f"`imgcls-convert ARCHITECTURE --weights {path} {output}`."
    )


def _refuse(message: str) -> NoReturn:
    """Ends with this sentence, and others on variables that may have been meant for settings."""
    from imgcls_serve.settings import unknown_variables

    for sentence in (message, *unknown_variables()):
        click.echo(f"imgcls-serve: {sentence}", err=True)
    sys.exit(EXIT_USAGE)
