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
import re
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec
from imgcls_cli.progress import Progress
from imgcls_networks.errors import RequestError

from imgcls_train.errors import StoreError
from imgcls_train.evaluation.document import Evaluation
from imgcls_train.store.files import StoreFiles

LATEST: Final = "latest.json"
MANIFEST: Final = "version.json"
PREFIX: Final = "sha256-"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VERSION: Final = re.compile(r"sha256-[0-9a-f]{64}")
_T = TypeVar("_T")


class StoredFile(msgspec.Struct, frozen=True):
    """A file of a version: its name for users, its path within the version, its hash and size."""

    name: str
    path: str
    sha256: str
    bytes: int


class StoredEvaluation(msgspec.Struct, frozen=True):
    """An evaluation of a version, in short; the whole of it is the file."""

    split: str
    split_sha256: str
    images: int
    top1_pct: float
    top5_pct: float
    file: StoredFile


class Version(msgspec.Struct, frozen=True):
    """What belongs to a version, `version.json`.

    Args:
        name: of the model.
        artifact: the .onnx file.
        published: when it was first published, ISO 8601.
        reports: further files, for users.
        evaluations: one for each split that it was evaluated on.
        schema: of this document.
    """

    name: str
    artifact: StoredFile
    published: str
    reports: tuple[StoredFile, ...] = ()
    evaluations: tuple[StoredEvaluation, ...] = ()
    schema: Literal[1] = 1

    @property
    def id(self) -> str:
        """The version's folder."""
        return f"{PREFIX}{self.artifact.sha256}"

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """Every file, the artifact last."""
        return (*self.reports, *(one.file for one in self.evaluations), self.artifact)


class Pointer(msgspec.Struct, frozen=True):
    """Which version of a model is served, `latest.json`; `previous` is the one before."""

    version: str
    moved: str
    previous: str | None = None
    schema: Literal[1] = 1


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
        return [name for name in self.files.folders("") if _NAME.fullmatch(name) and self.pointer(name) is not None]

    def pointer(self, name: str) -> Pointer | None:
        """Gives the pointer of a model; None before its first version is complete."""
        path = f"{name}/{LATEST}"
        content = self.files.read(path)
        if content is None:
            return None
        pointer = self._decoded(content, Pointer, path)
        if not _VERSION.fullmatch(pointer.version):
            raise StoreError(f"{self.url}/{path} names the version {pointer.version!r}; it was not written by us.")
        return pointer

    def version(self, name: str, version: str) -> Version | None:
        """Gives a complete version; None when there is none."""
        path = f"{name}/{version}/{MANIFEST}"
        content = self.files.read(path)
        return None if content is None else self._decoded(content, Version, path)

    def versions(self, name: str) -> tuple[list[Version], int]:
        """Gives the complete versions of a model, the oldest first, and how many uploads have not ended."""
        ids = [entry for entry in self.files.folders(name) if _VERSION.fullmatch(entry)]
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
        if self.files.copy_to(path, _Nowhere(), lambda _: None) == file.sha256:
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
            return self.files.copy_to(path, _Nowhere(), transfer.advance) == file.sha256

    def complete(self, version: Version) -> None:
        """Declares a version complete; its files must be there."""
        self.files.write(f"{version.name}/{version.id}/{MANIFEST}", _encoded(version))

    def point(self, name: str, pointer: Pointer) -> None:
        """Moves the pointer of a model."""
        self.files.write(f"{name}/{LATEST}", _encoded(pointer))

    def _decoded(self, content: bytes, kind: type[_T], path: str) -> _T:
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.DecodeError as error:
            raise StoreError(f"{self.url}/{path} cannot be read by this version of imgcls-train: {error}.") from error


def checked_name(name: str) -> str:
    """Passes a name on that can be a folder's in any store.

    Raises:
        RequestError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise RequestError(
            f"The name {name!r} cannot be a model's in a store; letters, digits, `.`, `_` and `-` can (`--name`)."
        )
    return name


def short(version: str) -> str:
    """A version's id as users write it."""
    return version[: len(PREFIX) + 12]


class _Nowhere:
    """Takes what is only to be hashed."""

    def write(self, _: bytes, /) -> None:
        """Drops it."""


def _encoded(document: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
