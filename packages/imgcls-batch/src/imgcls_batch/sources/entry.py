"""One image of a source: what it is called and where its bytes lie."""

from __future__ import annotations

from typing import Final

import msgspec

# What is taken for an image when a folder or a bucket is walked; core decides by the bytes.
IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic"})
TAR_SUFFIX: Final = ".tar"
PARQUET_SUFFIX: Final = ".parquet"


class Entry(msgspec.Struct, frozen=True):
    """One image.

    Args:
        uri: what the rows call it: a path or URL, with `#` and the member or row where it lies inside another file.
        container: the tar or Parquet file that it lies in; None for a file or object of its own.
        position: its first byte in a tar file, its row in a Parquet file.
        size_bytes: encoded; None where the listing does not say.
    """

    uri: str
    container: str | None = None
    position: int | None = None
    size_bytes: int | None = None


def suffix(path: str) -> str:
    """Gives the suffix of a path or URL in lower case, with its dot; empty without one."""
    name = path.rsplit("/", 1)[-1].split("?", 1)[0]
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""
