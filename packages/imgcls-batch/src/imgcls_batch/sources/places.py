"""Paths and URLs: which file system they belong to, and which of its errors mean what."""

from __future__ import annotations

import asyncio
import os
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast

import fsspec

from imgcls_batch.errors import SourceError

# Protocol → what installs it, and the errors of its libraries that are no OSError.
_REMOTE: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "s3": ("imgcls-batch[s3]", ("botocore.exceptions:BotoCoreError", "botocore.exceptions:ClientError")),
    "gs": ("imgcls-batch[gs]", ("google.auth.exceptions:GoogleAuthError",)),
    "az": ("imgcls-batch[az]", ("azure.core.exceptions:AzureError",)),
    "http": ("imgcls-batch", ()),
    "https": ("imgcls-batch", ()),
    "memory": ("imgcls-batch", ()),
}


def protocol_of(place: str) -> str:
    """Gives the protocol of a URL, such as "s3"; "file" for a path.

    Raises:
        SourceError: a protocol that is not known here.
    """
    protocol, separator, _ = place.partition("://")
    if not separator or protocol in {"file", "local"}:
        return "file"
    if protocol not in _REMOTE:
        known = ", ".join(f"{name}://" for name in _REMOTE if name != "memory")
        raise SourceError(f"{place!r} is neither a path nor a URL that can be read here; allowed are {known}.")
    return protocol


def local_path(place: str) -> Path:
    """Gives the path of a place on this machine's disks."""
    return Path(place.partition("://")[2] if "://" in place else place)


def normal_place(place: str) -> str:
    """Gives one spelling of a path or URL: paths absolute, no slash at the end."""
    if protocol_of(place) == "file":
        return os.path.abspath(local_path(place))  # noqa: PTH100 - links stay as the user knows them
    return place.rstrip("/")


@cache
def file_system(protocol: str) -> Any:  # noqa: ANN401 - fsspec is untyped
    """Opens the file system of a protocol; credentials come from the environment, as the backend reads them.

    Raises:
        SourceError: its library is not installed.
    """
    try:
        return fsspec.filesystem(protocol, use_listings_cache=False, skip_instance_cache=True)
    except ImportError as error:
        raise SourceError(
            f"{protocol}:// needs a library that is not installed: `pip install '{_REMOTE[protocol][0]}'`."
        ) from error


@cache
def remote_errors(protocol: str) -> tuple[type[Exception], ...]:
    """Gives what a file system raises when it cannot be reached or refuses."""
    errors: list[type[Exception]] = [OSError, asyncio.TimeoutError]
    for place in _REMOTE[protocol][1]:
        module, _, attribute = place.partition(":")
        errors.append(cast("type[Exception]", getattr(import_module(module), attribute)))
    if protocol != "memory":
        errors.append(cast("type[Exception]", import_module("aiohttp").ClientError))
    return tuple(errors)


def reason_of(error: BaseException) -> str:
    """Says in a clause what a file system's error says."""
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(said).split())[:200].rstrip(".")
