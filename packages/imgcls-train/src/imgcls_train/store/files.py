"""What a model store asks of the place where its files are; knows nothing of models.

Whoever reads sees a file whole, as it was before or as it is after. Nobody reads or writes outside the store: every
path, also one that a store's own documents name, passes `inside`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from imgcls_train.errors import StoreError

OnBytes = Callable[[int], None]

# Documents are some kB, evaluations of a million images 100 MB; more is no file of a store's.
MOST_DOCUMENT_BYTES: Final = 1 << 28
_CHUNK_BYTES: Final = 4 << 20
_NAME: Final = re.compile(r"(?!\.{1,2}\Z)[^/\\\x00-\x1f\x7f]{1,255}")


class Sink(Protocol):
    """Takes bytes: an open file, or a hash."""

    def write(self, data: bytes, /) -> object:
        """Takes some."""
        ...


class StoreFiles(Protocol):
    """Where a store keeps its files; paths are relative to its root, with `/`.

    Every method raises StoreError when the store cannot be reached or refuses, and for a path that is not inside.
    """

    url: str

    def read(self, path: str) -> bytes | None:
        """Gives a small file; None when there is none."""
        ...

    def write(self, path: str, content: bytes) -> None:
        """Puts a small file in place, whole."""
        ...

    def swap(self, path: str, content: bytes, is_expected: Callable[[bytes | None], bool]) -> bool:
        """Puts a small file in place if what is there is as expected; False when it is not, or changes meanwhile."""
        ...

    def upload(self, source: Path, path: str, on_bytes: OnBytes) -> None:
        """Puts a large file in place, whole."""
        ...

    def copy_to(self, path: str, target: Sink, on_bytes: OnBytes) -> str | None:
        """Writes a file's content out and gives its SHA-256; None when there is none."""
        ...

    def remove(self, path: str) -> None:
        """Takes a file away, if it is there."""
        ...

    def folders(self, path: str) -> list[str]:
        """Gives the names of the folders in a folder, sorted; none when it is not there."""
        ...

    def sweep(self, path: str) -> None:
        """Removes what killed publishers left in a folder."""
        ...


def inside(url: str, path: str) -> tuple[str, ...]:
    """Gives the parts of a path below a store's root; the root itself is "".

    Raises:
        StoreError: it could lead out of the store, or is no path of files at all.
    """
    parts = tuple(path.split("/")) if path else ()
    if not all(_NAME.fullmatch(part) for part in parts):
        raise StoreError(
            f"The model store {url!r} names the file {path!r}, which is no place in a store; imgcls-train did not "
            "write that. Nothing was written."
        )
    return parts


def pump(source: BinaryIO, target: Sink, on_bytes: OnBytes) -> str:
    """Writes a file out and gives its SHA-256."""
    digest = hashlib.sha256()
    while chunk := source.read(_CHUNK_BYTES):
        target.write(chunk)
        digest.update(chunk)
        on_bytes(len(chunk))
    return digest.hexdigest()


def read_document(source: BinaryIO, url: str, path: str) -> bytes:
    """Reads a small file.

    Raises:
        StoreError: it is large.
    """
    content = source.read(MOST_DOCUMENT_BYTES + 1)
    if len(content) > MOST_DOCUMENT_BYTES:
        raise StoreError(f"{url}/{path} has more than {MOST_DOCUMENT_BYTES:,} bytes; imgcls-train did not write that.")
    return content


@contextmanager
def as_store_errors(url: str, errors: tuple[type[Exception], ...]) -> Generator[None]:
    """Turns what a backend raises into a sentence."""
    try:
        yield
    except errors as error:
        reason = " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())[:300]
        raise StoreError(
            f"The model store {url!r} cannot be reached or refuses: {reason.rstrip('.')}. What it held is as it was."
        ) from error
