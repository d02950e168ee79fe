"""From what a user names to images: files, folders, globs, addresses and standard input."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from glob import glob, has_magic
from pathlib import Path
from typing import NoReturn

import httpx
from imgcls_contract.bounds import IMAGE, BoundsError, bounded, limit
from imgcls_sdk.calls import read_image
from imgcls_sdk.errors import ImageSourceError

# The formats that the service decodes; only folders and globs are filtered, a file named by itself is always sent.
IMAGE_SUFFIXES = frozenset({".avif", ".bmp", ".gif", ".heic", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_SILENCE_S = 30


@dataclass(frozen=True, slots=True)
class NamedImage:
    """One image that has not been read yet.

    Attributes:
        name: as the user will recognise it: path, address or `-`.
        read: gives the encoded bytes, or raises `ImageSourceError`.
    """

    name: str
    read: Callable[[], bytes] = field(repr=False, compare=False)


def find_images(arguments: Iterable[str]) -> Iterator[NamedImage]:
    """Finds the images that the arguments name, in order; folders are walked recursively and sorted.

    Nothing is read here, and what does not exist is found out on reading, so that one wrong name costs one line.

    Args:
        arguments: paths, folders, globs, http(s) addresses, or `-` for one image on standard input.
    """
    for argument in arguments:
        path = Path(argument)
        if argument == "-":
            yield NamedImage("-", _read_standard_input)
        elif argument.startswith(("http://", "https://")):
            yield NamedImage(argument, partial(_fetch_image, argument))
        elif path.is_dir():
            found = (each for each in path.rglob("*") if each.suffix.lower() in IMAGE_SUFFIXES)
            yield from _files(
                argument, found, f"no images in this folder or below ({', '.join(sorted(IMAGE_SUFFIXES))})"
            )
        elif has_magic(argument) and not path.exists():
            # For shells that leave patterns alone; `glob` and not `Path.glob`: the pattern may be absolute and is the
            # user's own spelling.
            yield from _files(argument, map(Path, glob(argument, recursive=True)), "no file matches this pattern")  # noqa: PTH207
        else:
            yield NamedImage(str(path), partial(read_image, path))


def _files(argument: str, paths: Iterable[Path], otherwise: str) -> Iterator[NamedImage]:
    found = sorted(path for path in paths if path.is_file())
    if not found:
        yield NamedImage(str(Path(argument)), partial(_missing, str(Path(argument)), otherwise))
    yield from (NamedImage(str(path), partial(read_image, path)) for path in found)


def _missing(name: str, reason: str) -> NoReturn:
    raise ImageSourceError(name, reason)


def _read_standard_input() -> bytes:
    return sys.stdin.buffer.read() or _missing("-", "standard input was empty")


def _fetch_image(address: str) -> bytes:
    """Fetches an image from this machine, without any key of the service.

    Raises:
        ImageSourceError: it cannot be fetched or is far too large.
    """
    try:
        with (
            limit(httpx.Client(follow_redirects=True, timeout=_SILENCE_S)) as http,
            bounded(IMAGE),
            http.stream("GET", address) as response,
        ):
            if response.status_code >= 400:
                _missing(address, f"the server there answered {response.status_code}")
            return response.read()
    except BoundsError as error:
        raise ImageSourceError(address, f"what is there {error}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ImageSourceError(address, f"could not be fetched: {error}") from error
