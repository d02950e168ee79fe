"""A model store: versions of models by the hash of their artifact, and for each model a pointer to the latest.

    STORE/NAME/latest.json                          which version is served; moves last
    STORE/NAME/sha256-HEX/version.json              what belongs to the version; written when all of it is there
    STORE/NAME/sha256-HEX/NAME.onnx                 the artifact, HEX is its SHA-256
    STORE/NAME/sha256-HEX/files/HASH/FILE           reports and evaluations

Files that hold content never change; `version.json` and `latest.json` are replaced whole. A version without
`version.json` is an upload that has not ended, and nobody reads it.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from imgcls_cli.progress import Progress
from imgcls_core.artifact.metadata import ArtifactMetadata
from imgcls_core.artifact.props import parts_of
from imgcls_networks.errors import RequestError

from imgcls_train.errors import StoreError
from imgcls_train.evaluation.document import Evaluation
from imgcls_train.store.documents import (
    PREFIX,
    Pointer,
    StoredEvaluation,
    StoredFile,
    Version,
    is_model_name,
    is_version_id,
    short,
)
from imgcls_train.store.files import OnBytes, Sink, StoreFiles

LATEST: Final = "latest.json"
MANIFEST: Final = "version.json"
_T = TypeVar("_T")


class ModelStore:
    """Models in a store.

    Args:
        files: where it keeps its files.
        progress: is told of large files on their way.
    """

    def __init__(self, files: StoreFiles, progress: Progress) -> None:
        self.files = files
        self.progress = progress

    @property
    def url(self) -> str:
        """Where it is."""
        return self.files.url

    def names(self) -> list[str]:
        """Gives the names of the models that have a latest version."""
        return [name for name in self.files.folders("") if is_model_name(name) and self.pointer(name) is not None]

    def only_name(self, name: str | None) -> str:
        """Gives the name of a model, which need not be said where the store has only one.

        Raises:
            RequestError: there is no such model, or more than one.
        """
        names = self.names()
        found = [one for one in names if name in {None, one}]
        if len(found) != 1:
            asked = "" if name is None else f"There is no {name!r} in {self.url!r}. "
            if not names:
                raise RequestError(
                    f"There is no model in {self.url!r}; `imgcls-train publish ARTIFACT STORE` puts one there."
                )
            raise RequestError(f"{asked}Which model? `--name` must be one of {', '.join(names)}.")
        return found[0]

    def pointer(self, name: str) -> Pointer | None:
        """Gives the pointer of a model; None before its first version is complete."""
        path = f"{name}/{LATEST}"
        content = self.files.read(path)
        return None if content is None else self._decoded(content, Pointer, path)

    def version(self, name: str, version: str) -> Version | None:
        """Gives a complete version; None when there is none."""
        path = f"{name}/{version}/{MANIFEST}"
        content = self.files.read(path)
        if content is None:
            return None
        found = self._decoded(content, Version, path)
        if (found.name, found.id) != (name, version):
            raise StoreError(
                f"{self.url}/{path} says that it is version {short(found.id)} of {found.name!r}; imgcls-train did not "
                "put it there. Publish the version again."
            )
        return found

    def versions(self, name: str) -> tuple[list[Version], int]:
        """Gives the complete versions of a model, the oldest first, and how many uploads have not ended."""
        ids = [entry for entry in self.files.folders(name) if is_version_id(entry)]
        found = [self.version(name, one) for one in ids]
        complete = [one for one in found if one is not None]
        return sorted(complete, key=lambda one: (one.published, one.id)), len(ids) - len(complete)

    def latest(self, name: str) -> Version | None:
        """Gives the version that is served; None when nothing was published."""
        pointer = self.pointer(name)
        if pointer is None:
            return None
        version = self.version(name, pointer.version)
        if version is None:
            raise StoreError(f"{self.url}/{name}/{LATEST} names {pointer.version}, which is not there (any more).")
        return version

    def labels(self, version: Version) -> tuple[str, ...]:
        """Gives the labels of a version's classes, out of its artifact where the version does not say them."""
        if version.labels is not None:
            return version.labels
        path, content = f"{version.name}/{version.id}/{version.artifact.path}", io.BytesIO()
        if not self.receive(path, version.artifact, content, lambda _: None):
            raise StoreError(f"{self.url}/{path} is not there any more, or is damaged. Publish the version again.")
        props = parts_of(content.getvalue(), path=path).props
        return tuple(one.label for one in ArtifactMetadata.from_props(props, path=path).classes)

    def evaluation(self, version: Version, stored: StoredEvaluation) -> Evaluation:
        """Reads an evaluation of a version."""
        path = f"{version.name}/{version.id}/{stored.file.path}"
        content = self.files.read(path)
        if content is None or hashlib.sha256(content).hexdigest() != stored.file.sha256:
            raise StoreError(f"{self.url}/{path} is not there any more, or is damaged. Publish the version again.")
        return Evaluation.from_json(content, f"{self.url}/{path}")

    def find(self, name: str, text: str) -> Version:
        """Finds a complete version by its id or the beginning of its hash.

        Raises:
            RequestError: none, or more than one.
        """
        complete, _ = self.versions(name)
        found = [one for one in complete if one.artifact.sha256.startswith(text.removeprefix(PREFIX))]
        if len(found) != 1 or not text.removeprefix(PREFIX):
            there = ", ".join(short(one.id) for one in complete) or "none"
            raise RequestError(f"{len(found)} versions of {name!r} begin with {text!r}; there are {there}.")
        return found[0]

    def put(self, name: str, version: str, source: Path, file: StoredFile) -> None:
        """Puts a file of a version in place, unless it is there, and checks what the store gives back.

        Raises:
            StoreError: the store gives back something else.
        """
        path = f"{name}/{version}/{file.path}"
        if self.receive(path, file, None, lambda _: None):
            return
        with self.progress.transfer(f"Uploading {file.name}", file.bytes) as transfer:
            self.files.upload(source, path, transfer.advance)
        if not self.holds(path, file):
            raise StoreError(
                f"{self.url}/{path} came back with another content than was sent, so the version is not complete; "
                "publish again."
            )

    def holds(self, path: str, file: StoredFile) -> bool:
        """Reads a file back: whether it is there and has the right content."""
        with self.progress.transfer(f"Checking {file.name}", file.bytes) as transfer:
            return self.receive(path, file, None, transfer.advance)

    def receive(self, path: str, file: StoredFile, target: Sink | None, on_bytes: OnBytes) -> bool:
        """Reads a file, no further than it should go, and says whether it is there and has the right content."""
        try:
            return self.files.copy_to(path, _Limited(target, file.bytes), on_bytes) == file.sha256
        except _TooLongError:
            return False

    def complete(self, version: Version) -> None:
        """Declares a version complete; its files must be there."""
        self.files.write(f"{version.name}/{version.id}/{MANIFEST}", _encoded(version))

    def withdraw(self, version: Version) -> None:
        """Declares a version incomplete again."""
        self.files.remove(f"{version.name}/{version.id}/{MANIFEST}")

    def point(self, name: str, pointer: Pointer) -> None:
        """Moves the pointer of a model, wherever it points."""
        self.files.write(f"{name}/{LATEST}", _encoded(pointer))

    def move(self, name: str, before: Pointer | None, now: Pointer) -> bool:
        """Moves the pointer of a model if it still is what it was; False when somebody else has moved it."""
        path = f"{name}/{LATEST}"

        def is_unmoved(content: bytes | None) -> bool:
            return (None if content is None else self._decoded(content, Pointer, path)) == before

        return self.files.swap(path, _encoded(now), is_unmoved)

    def _decoded(self, content: bytes, kind: type[_T], path: str) -> _T:
        try:
            return msgspec.json.decode(content, type=kind)
        except (msgspec.DecodeError, RecursionError) as error:
            raise StoreError(f"{self.url}/{path} cannot be read by this version of imgcls-train: {error}.") from error


class _TooLongError(Exception):
    """A file has more bytes than its version says."""


class _Limited:
    """Passes on so many bytes and no more; to nowhere where they are only to be hashed."""

    def __init__(self, target: Sink | None, most_bytes: int) -> None:
        self._target, self._left = target, most_bytes

    def write(self, data: bytes, /) -> None:
        """Takes some."""
        self._left -= len(data)
        if self._left < 0:
            raise _TooLongError
        if self._target is not None:
            self._target.write(data)


def _encoded(document: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
