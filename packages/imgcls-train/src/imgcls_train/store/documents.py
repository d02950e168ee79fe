"""The documents of a model store, `version.json` and `latest.json`; what is read is held to names that stay inside."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

import msgspec
from imgcls_networks.errors import RequestError
from msgspec import Meta

PREFIX: Final = "sha256-"
_PLAIN: Final = r"(?!\.{1,2}\Z)[^/\\\x00-\x1f\x7f]{1,255}"  # what any file system takes as the name of a file
_MODEL: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"

_ModelName = Annotated[str, Meta(pattern=rf"\A{_MODEL}\Z")]
_FileName = Annotated[str, Meta(pattern=rf"\A{_PLAIN}\Z")]
_FilePath = Annotated[str, Meta(pattern=rf"\A(?:files/[0-9a-f]{{16}}/)?{_PLAIN}\Z")]
_Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_VersionId = Annotated[str, Meta(pattern=r"\Asha256-[0-9a-f]{64}\Z")]


class StoredFile(msgspec.Struct, frozen=True):
    """A file of a version: its name for users, its path within the version, its hash and size."""

    name: _FileName
    path: _FilePath
    sha256: _Sha256
    bytes: Annotated[int, Meta(ge=0)]


class StoredEvaluation(msgspec.Struct, frozen=True):
    """An evaluation of a version, in short; the whole of it is the file."""

    split: str
    split_sha256: _Sha256
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
        labels: of the classes, by class id; None in versions of before.
    """

    name: _ModelName
    artifact: StoredFile
    published: str
    reports: tuple[StoredFile, ...] = ()
    evaluations: tuple[StoredEvaluation, ...] = ()
    schema: Literal[1] = 1
    labels: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.artifact.path != f"{self.name}.onnx":
            raise ValueError(f"its artifact lies at {self.artifact.path!r} and not at {self.name}.onnx")

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

    version: _VersionId
    moved: str
    previous: _VersionId | None = None
    schema: Literal[1] = 1


def is_model_name(name: str) -> bool:
    """Whether a name can be a model's folder in any store."""
    return re.fullmatch(_MODEL, name) is not None


def is_file_name(name: str) -> bool:
    """Whether a name can be a file's in any store."""
    return name.isprintable() and re.fullmatch(_PLAIN, name) is not None


def is_version_id(name: str) -> bool:
    """Whether a name is a version's folder."""
    return re.fullmatch(r"sha256-[0-9a-f]{64}", name) is not None


def checked_name(name: str) -> str:
    """Passes a name on that can be a folder's in any store.

    Raises:
        RequestError: it cannot.
    """
    if not is_model_name(name):
        raise RequestError(
            f"The name {name!r} cannot be a model's in a store; letters, digits, `.`, `_` and `-` can (`--name`)."
        )
    return name


def short(version: str) -> str:
    """A version's id as users write it."""
    return version[: len(PREFIX) + 12]
