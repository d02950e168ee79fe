"""Paths and URLs: which file system they belong to, and which of its errors mean what."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from imgcls_cli.object_stores import PROTOCOLS, ObjectStore, object_store

from imgcls_batch.errors import SourceError


def protocol_of(place: str) -> str:
    """Gives the protocol of a URL, such as "s3"; "file" for a path.

    Raises:
        SourceError: a protocol that is not known here.
    """
    protocol, separator, _ = place.partition("://")
    if not separator or protocol in {"file", "local"}:
        return "file"
    if protocol not in {*PROTOCOLS, "memory"}:
        known = ", ".join(f"{name}://" for name in PROTOCOLS)
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
def store_of(protocol: str) -> ObjectStore:
    """Opens the store of a protocol; credentials come from the environment, as its library reads them.

    Raises:
        SourceError: its library is not installed, or it cannot be set up.
    """
    try:
        return object_store(protocol)
    except ImportError as error:
        raise SourceError(
            f"{protocol}:// needs a library that is not installed: `pip install 'imgcls-batch[{protocol}]'`."
        ) from error
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{protocol}:// cannot be used: {reason_of(error)}. Account and credentials come from the environment."
        ) from error


def file_system(protocol: str) -> Any:  # noqa: ANN401 - fsspec is untyped
    """Gives the file system of a protocol; raises as `store_of`."""
    return store_of(protocol).filesystem


def remote_errors(protocol: str) -> tuple[type[Exception], ...]:
    """Gives what a file system raises when it cannot be reached or refuses; raises as `store_of`."""
    return store_of(protocol).errors


def reason_of(error: BaseException) -> str:
    """Says in a clause what a file system's error says."""
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(said).split())[:200].rstrip(".")
