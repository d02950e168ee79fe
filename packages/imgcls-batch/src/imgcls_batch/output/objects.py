"""Objects in OUTPUT, a folder or a bucket: whoever reads sees one whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from imgcls_batch.errors import OutputUnreachableError, SourceError
from imgcls_batch.sources.places import normal_place, protocol_of, reason_of, store_of


class OutputObjects(Protocol):
    """The objects of one OUTPUT; names are relative to it, with `/`.

    Every method raises OutputUnreachableError when they cannot be reached.
    """

    url: str

    def read(self, name: str) -> bytes | None:
        """Gives a small object; None when there is none."""
        ...

    def open(self, name: str) -> Any:  # noqa: ANN401 - a binary file, of fsspec or of the system
        """Opens an object for reading by parts."""
        ...

    def create(self, name: str, content: bytes) -> bool:
        """Puts an object in place unless there is one; whether it did."""
        ...

    def replace(self, name: str, content: bytes) -> None:
        """Puts an object in place, whatever was there."""
        ...

    def names(self, folder: str) -> Iterator[str]:
        """Gives the names of the objects directly in a folder ("" for OUTPUT itself), in no order."""
        ...


def open_output(url: str) -> OutputObjects:
    """Opens an OUTPUT.

    Raises:
        SourceError: a URL of a kind that cannot be written.
    """
    protocol = protocol_of(url)
    if protocol in {"http", "https"}:
        raise SourceError(
            f"OUTPUT is {url!r}; a web server cannot be written, name a folder or an s3://, gs:// or az://."
        )
    if protocol == "file":
        return FolderObjects(Path(normal_place(url)))
    return BucketObjects(url.rstrip("/"), protocol)


class FolderObjects:
    """Objects as files of a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = str(root)

    def read(self, name: str) -> bytes | None:
        """Gives a small object; None when there is none."""
        with _reaching(self.url, (OSError,)):
            try:
                return (self.root / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def open(self, name: str) -> Any:  # noqa: ANN401 - as the protocol has it
        """Opens an object for reading by parts."""
        with _reaching(self.url, (OSError,)):
            return (self.root / name).open("rb")

    def create(self, name: str, content: bytes) -> bool:
        """Puts an object in place unless there is one; whether it did."""
        target = self.root / name
        with _reaching(self.url, (OSError,)), _part(target, content) as part:
            try:
                os.link(part, target)
            except FileExistsError:
                return False
            except OSError:  # a file system without links; what would be replaced is equal
                if target.exists():
                    return False
                part.replace(target)
            return True

    def replace(self, name: str, content: bytes) -> None:
        """Puts an object in place, whatever was there."""
        with _reaching(self.url, (OSError,)), _part(self.root / name, content) as part:
            part.replace(self.root / name)

    def names(self, folder: str) -> Iterator[str]:
        """Gives the names of the files directly in a folder, in no order; parts of killed writers are left out."""
        with _reaching(self.url, (OSError,)):
            try:
                with os.scandir(self.root / folder) as found:
                    for entry in found:
                        if not entry.name.startswith(".") and entry.is_file():
                            yield entry.name
            except (FileNotFoundError, NotADirectoryError):
                return


class BucketObjects:
    """Objects in an object store, through fsspec: one shows when all of it has arrived."""

    def __init__(self, url: str, protocol: str) -> None:
        self.url = url
        self._store = store_of(protocol)
        self._filesystem, self._errors = self._store.filesystem, self._store.errors

    def read(self, name: str) -> bytes | None:
        """Gives a small object; None when there is none."""
        with _reaching(self.url, self._errors):
            try:
                content: bytes = self._filesystem.cat_file(f"{self.url}/{name}")
            except FileNotFoundError:
                return None
            return content

    def open(self, name: str) -> Any:  # noqa: ANN401 - as the protocol has it
        """Opens an object for reading by parts."""
        with _reaching(self.url, self._errors):
            return self._filesystem.open(f"{self.url}/{name}", "rb")

    def create(self, name: str, content: bytes) -> bool:
        """Puts an object in place unless there is one; whether it did."""
        place = f"{self.url}/{name}"
        with _reaching(self.url, self._errors):
            try:
                return self._store.put(place, content, over=None)
            except self._errors:  # of an S3-compatible store that knows no conditions, too
                if self._filesystem.exists(place):
                    return False
                self._filesystem.pipe_file(place, content)
            return True

    def replace(self, name: str, content: bytes) -> None:
        """Puts an object in place, whatever was there."""
        with _reaching(self.url, self._errors):
            self._filesystem.pipe_file(f"{self.url}/{name}", content)

    def names(self, folder: str) -> Iterator[str]:
        """Gives the names of the objects directly in a folder, in no order."""
        place = f"{self.url}/{folder}".rstrip("/")
        with _reaching(self.url, self._errors):
            try:
                found = self._filesystem.ls(place, detail=True)
            except FileNotFoundError:
                return
        yield from (one["name"].rsplit("/", 1)[-1] for one in found if one["type"] == "file")


@contextmanager
def _part(target: Path, content: bytes) -> Generator[Path]:
    """Gives a file beside the target that holds the content, on the disk; it is gone when the block ends."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield part
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _reaching(url: str, errors: tuple[type[Exception], ...]) -> Generator[None]:
    try:
        yield
    except errors as error:
        raise OutputUnreachableError(
            f"OUTPUT {url!r} cannot be reached or refuses: {reason_of(error)}. What is written stays; run the same "
            "command to go on."
        ) from error
