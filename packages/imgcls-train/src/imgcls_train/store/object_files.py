"""A model store in an object store, through fsspec: an object shows only when all of it has arrived."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from fsspec.callbacks import Callback
from imgcls_cli.object_stores import ObjectStore

from imgcls_train.store.files import OnBytes, Sink, as_store_errors, inside, pump, read_document


class ObjectFiles:
    """A store in an object store.

    Args:
        url: as the user wrote it.
        store: of its protocol.
        root: bucket and prefix.
    """

    def __init__(self, url: str, store: ObjectStore, root: str) -> None:
        self.url = url
        self._store, self._filesystem, self._errors, self._root = store, store.filesystem, store.errors, root

    def read(self, path: str) -> bytes | None:
        """Gives a small file; None when there is none."""
        with as_store_errors(self.url, self._errors):
            try:
                with self._filesystem.open(self._at(path), "rb") as file:
                    return read_document(file, self.url, path)
            except FileNotFoundError:
                return None

    def write(self, path: str, content: bytes) -> None:
        """Puts a small file in place, whole."""
        with as_store_errors(self.url, self._errors):
            self._filesystem.pipe_file(self._at(path), content)

    def swap(self, path: str, content: bytes, is_expected: Callable[[bytes | None], bool]) -> bool:
        """Puts a small file in place if what is there is as expected; the store itself sees that it still is."""
        with as_store_errors(self.url, self._errors):
            before = self._store.state(self._at(path))
            return is_expected(self.read(path)) and self._store.put(self._at(path), content, over=before)

    def upload(self, source: Path, path: str, on_bytes: OnBytes) -> None:
        """Puts a large file in place, whole."""
        with as_store_errors(self.url, self._errors):
            self._filesystem.put_file(str(source), self._at(path), callback=_Told(on_bytes))

    def copy_to(self, path: str, target: Sink, on_bytes: OnBytes) -> str | None:
        """Writes a file's content out and gives its SHA-256; None when there is none."""
        with as_store_errors(self.url, self._errors):
            try:
                with self._filesystem.open(self._at(path), "rb") as file:
                    return pump(file, target, on_bytes)
            except FileNotFoundError:
                return None

    def remove(self, path: str) -> None:
        """Takes a file away, if it is there."""
        with as_store_errors(self.url, self._errors), suppress(FileNotFoundError):
            self._filesystem.rm_file(self._at(path))

    def folders(self, path: str) -> list[str]:
        """Gives the names of the folders in a folder, sorted; none when it is not there."""
        with as_store_errors(self.url, self._errors):
            try:
                entries = self._filesystem.ls(self._at(path), detail=True)
            except FileNotFoundError:
                return []
        return sorted(entry["name"].rstrip("/").rsplit("/", 1)[-1] for entry in entries if entry["type"] == "directory")

    def sweep(self, path: str) -> None:
        """Removes nothing: an object that has not arrived whole is none."""

    def _at(self, path: str) -> str:
        """The one way from a path to an object."""
        return "/".join((self._root, *inside(self.url, path)))


class _Told(Callback):
    """Passes fsspec's progress on."""

    def __init__(self, on_bytes: OnBytes) -> None:
        super().__init__()
        self._on_bytes = on_bytes

    def relative_update(self, inc: int = 1) -> None:
        self._on_bytes(inc)
