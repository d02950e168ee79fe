"""From what a user names to images: files, folders, globs, addresses and standard input."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from glob import glob, has_magic
from pathlib import Path

import httpx

from imgcls_client.errors import ImageSourceError

# The formats that the service decodes; only folders and globs are filtered, a file named by itself is always sent.
IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
# An image of the service's largest size is 20 MB; what is far larger is not an image.
_LONGEST_FETCH_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class NamedImage:
    """One image that has not been read yet.

    Attributes:
        name: as the user will recognise it: path, address or `-`.
        read: gives the encoded bytes, or raises `ImageSourceError`.
    """

    name: str
    read: Callable[[], bytes] = field(repr=False, compare=False)


def find_images(arguments: Iterable[str], *, fetch: Callable[[str], bytes] | None = None) -> Iterator[NamedImage]:
    """Finds the images that the arguments name, in order; folders are walked recursively and sorted.

    Nothing is read here, and what does not exist is found out on reading, so that one wrong name costs one line.

    Args:
        arguments: paths, folders, globs, http(s) addresses, or `-` for one image on standard input.
        fetch: instead of getting addresses from the network.
    """
    for argument in arguments:
        if argument == "-":
            yield NamedImage("-", _read_standard_input)
        elif argument.startswith(("http://", "https://")):
            yield _address_source(argument, fetch or _fetch_image)
        elif Path(argument).is_dir():
            yield from _folder_sources(Path(argument))
        elif has_magic(argument) and not Path(argument).exists():
            yield from _glob_sources(argument)
        else:
            yield _file_source(Path(argument))


def _file_source(path: Path) -> NamedImage:

    def read() -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise ImageSourceError(str(path), error.strerror or str(error)) from error

    return NamedImage(str(path), read)


def _folder_sources(folder: Path) -> Iterator[NamedImage]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    if not found:
        yield _missing(str(folder), f"no images in this folder or below ({', '.join(sorted(IMAGE_SUFFIXES))})")
    yield from map(_file_source, found)


def _glob_sources(pattern: str) -> Iterator[NamedImage]:
    """Names the files that a pattern matches, for shells that leave patterns alone."""
    # `glob` and not `Path.glob`: the pattern may be absolute and is the user's own spelling.
    matches = map(Path, glob(pattern, recursive=True))  # noqa: PTH207
    found = sorted(path for path in matches if path.is_file())
    if not found:
        yield _missing(pattern, "no file matches this pattern")
    yield from map(_file_source, found)


def _address_source(address: str, fetch: Callable[[str], bytes]) -> NamedImage:
    return NamedImage(address, lambda: fetch(address))


def _missing(name: str, reason: str) -> NamedImage:

    def read() -> bytes:
        raise ImageSourceError(name, reason)

    return NamedImage(name, read)


def _read_standard_input() -> bytes:
    image = sys.stdin.buffer.read()
    if not image:
        raise ImageSourceError("-", "standard input was empty")
    return image


def _fetch_image(address: str) -> bytes:
    """Fetches an image from this machine, without any key of the service.

    Raises:
        ImageSourceError: it cannot be fetched or is far too large.
    """
    try:
        with httpx.stream("GET", address, follow_redirects=True, timeout=30) as response:
            if response.status_code >= 400:
                raise ImageSourceError(address, f"the server there answered {response.status_code}")
            image = bytearray()
            for part in response.iter_bytes():
                image += part
                if len(image) > _LONGEST_FETCH_BYTES:
                    raise ImageSourceError(address, f"larger than {_LONGEST_FETCH_BYTES >> 20} MiB")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ImageSourceError(address, f"could not be fetched: {error}") from error
    return bytes(image)
