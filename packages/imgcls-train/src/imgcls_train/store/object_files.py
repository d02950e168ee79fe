"""A model store in an object store, through fsspec: an object shows only when all of it has arrived."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

from fsspec.callbacks import Callback

from imgcls_train.store.files import OnBytes, Sink, as_store_errors, inside, pump, read_document

# S3's answers to a conditional write: the object has changed, or is being changed.
_CHANGED: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


class ObjectFiles:
    """A store in an object store.

    Args:
        url: as the user wrote it.
        filesystem: of fsspec, which is untyped.
        root: bucket and prefix.
        errors: those of the backend's libraries.
        has_conditional_writes: whether an object can be replaced only if nobody else has replaced it: S3 can.
    """

    def __init__(
        self,
        url: str,
        filesystem: Any,  # noqa: ANN401
        root: str,
        errors: tuple[type[Exception], ...],
        *,
        has_conditional_writes: bool,
    ) -> None:
        self.url = url
        self._filesystem, self._root, self._errors = filesystem, root, errors
        self._has_conditional_writes = has_conditional_writes

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
        """Puts a small file in place if what is there is as expected; S3 itself sees that it still is."""
        condition = self._condition(path)
        if not is_expected(self.read(path)):
            return False
        with as_store_errors(self.url, self._errors):
            try:
                self._filesystem.pipe_file(self._at(path), content, **condition)
            except OSError as error:
                if condition and _code(error) in _CHANGED:
                    return False
                raise
        return True

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

    def _condition(self, path: str) -> dict[str, str]:
        """What must still be true of an object when it is replaced; taken before it is read."""
        if not self._has_conditional_writes:
            return {}
        with as_store_errors(self.url, self._errors):
            try:
                return {"IfMatch": cast("str", self._filesystem.info(self._at(path))["ETag"])}
            except FileNotFoundError:
                return {"IfNoneMatch": "*"}

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


def _code(error: OSError) -> str:
    """S3's own word for what went wrong, from the error that s3fs made its own of."""
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
