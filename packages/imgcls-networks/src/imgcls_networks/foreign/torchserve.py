"""TorchServe's model archives (.mar): what is in them, and a safe way to get it out. Nothing of it runs here."""

from __future__ import annotations

import ast
import shutil
import stat
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from imgcls_networks.errors import RequestError
from imgcls_networks.exception_text import one_line

LABELS_NAME: Final = "index_to_name.json"
# TorchServe's own handler, whose preprocessing is known.
IMAGE_CLASSIFIER: Final = "image_classifier"

_MANIFEST_NAME: Final = "MAR-INF/MANIFEST.json"
_MOST_FILES: Final = 10_000
_MOST_BYTES: Final = 8_000_000_000
_MOST_TEXT_BYTES: Final = 4_000_000
_MOST_GROWTH: Final = 200  # weights hardly get smaller when zipped


class _Model(msgspec.Struct, rename="camel"):
    serialized_file: str | None = None
    model_file: str | None = None
    handler: str = ""


class _Manifest(msgspec.Struct):
    model: _Model


@dataclass(frozen=True)
class TorchServeArchive:
    """An archive's content by name.

    Args:
        path: the file.
        weights: state dict, TorchScript or ONNX, as the manifest names it.
        model_file: Python file with the network's class; None where `weights` holds the network.
        handler: name of TorchServe's handler, or of a Python file in the archive.
        texts: Python files, which `model_file` may import, and the labels.
    """

    path: Path
    weights: str
    model_file: str | None
    handler: str
    texts: Sequence[str]

    def unpack(self, folder: Path) -> None:
        """Writes what a conversion needs into a folder.

        Raises:
            RequestError: the archive is damaged, or the disk is full.
        """
        try:
            with zipfile.ZipFile(self.path) as archive:
                for name in {self.weights, *self.texts}:
                    target = folder / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(name) as source, target.open("wb") as file:
                        shutil.copyfileobj(source, file)
        except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as error:
            raise RequestError(f"{self.path.name!r} cannot be unpacked: {one_line(error)}.") from error

    def model_class(self, folder: Path) -> str:
        """Gives the name of the one class in `model_file`, which TorchServe calls without arguments.

        Raises:
            RequestError: there is none, or there are several.
        """
        try:
            body = ast.parse((folder / (self.model_file or "")).read_bytes()).body
        except (SyntaxError, ValueError) as error:
            raise RequestError(f"{self.model_file} in {self.path.name!r} is not Python: {one_line(error)}.") from error
        classes = [one.name for one in body if isinstance(one, ast.ClassDef)]
        if len(classes) != 1:
            raise RequestError(
                f"{self.model_file} in {self.path.name!r} has {len(classes)} classes ({', '.join(classes) or 'none'}); "
                "TorchServe takes one. Unpack the archive and name it: `imgcls-convert FILE.py:CLASS --weights FILE`."
            )
        return classes[0]


def read_archive(path: Path) -> TorchServeArchive:
    """Reads what an archive holds; nothing is unpacked.

    Raises:
        RequestError: it is damaged, a zip bomb, leads outside, or is no model's.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_entries(entries, path.name)
            manifest = msgspec.json.decode(archive.read(_MANIFEST_NAME), type=_Manifest).model
    except (zipfile.BadZipFile, OSError, EOFError, KeyError, NotImplementedError, RuntimeError) as error:
        raise RequestError(f"{path.name!r} is not a TorchServe archive, or is damaged: {one_line(error)}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"The manifest of {path.name!r} is not TorchServe's: {one_line(error)}.") from error
    names = {entry.filename for entry in entries}
    given = {"serializedFile": manifest.serialized_file, "modelFile": manifest.model_file}
    missing = [f"{key} {name!r}" for key, name in given.items() if name is not None and name not in names]
    if manifest.serialized_file is None or missing:
        raise RequestError(
            f"{path.name!r} lacks {missing[0] if missing else 'a serializedFile'}, with the weights or the network; "
            "make it again with `torch-model-archiver --serialized-file FILE`."
        )
    texts = sorted(name for name in names if name == LABELS_NAME or ("/" not in name and name.endswith(".py")))
    return TorchServeArchive(path, manifest.serialized_file, manifest.model_file, manifest.handler, texts)


def _check_entries(entries: Sequence[zipfile.ZipInfo], name: str) -> None:
    """Raises RequestError for paths that lead outside, links, encryption, and sizes that no model has."""
    if len({entry.filename for entry in entries}) != len(entries) or len(entries) > _MOST_FILES:
        raise RequestError(f"{name!r} is refused: it has the same file twice, or more than {_MOST_FILES:,} files.")
    if (total := sum(entry.file_size for entry in entries)) > _MOST_BYTES:
        raise RequestError(
            f"{name!r} is refused: unpacked it has {total / 1e9:.1f} GB; {_MOST_BYTES / 1e9:.0f} are allowed."
        )
    for entry in entries:
        place = PurePosixPath(entry.filename)
        if place.is_absolute() or ".." in place.parts or "\\" in entry.filename or ":" in entry.filename:
            raise RequestError(f"{name!r} is refused: its file {entry.filename!r} leads outside the archive.")
        if stat.S_ISLNK(entry.external_attr >> 16) or entry.flag_bits & 1:
            raise RequestError(f"{name!r} is refused: {entry.filename!r} is a link or encrypted.")
        is_text = entry.filename.endswith((".py", ".json"))
        limit = _MOST_TEXT_BYTES if is_text else max(_MOST_GROWTH * entry.compress_size, _MOST_TEXT_BYTES)
        if entry.file_size > limit:
            raise RequestError(
                f"{name!r} is refused: {entry.filename!r} would grow from {entry.compress_size:,} to "
                f"{entry.file_size:,} bytes."
            )
