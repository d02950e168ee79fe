"""What MODEL on the command line refers to. Imports no torch: a mistyped name must not wait for it."""

from __future__ import annotations

import difflib
import importlib.util
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from imgcls_core.artifact.metadata import KEY_PREFIX
from imgcls_core.artifact.props import read_parts

from imgcls_networks.errors import CheckpointError, RequestError
from imgcls_networks.foreign.kind import ARCHIVE, ONNX, PROGRAM, refuse_foreign, refuse_unknown
from imgcls_networks.foreign.torchserve import TorchServeArchive, read_archive
from imgcls_networks.models import bundled
from imgcls_networks.models.catalog import CatalogEntry, read_catalog
from imgcls_networks.models.factory_reference import FactoryReference, parse_factory
from imgcls_networks.models.hugging_face import (
    ADAPTER_NAME,
    CONFIG_NAME,
    HUB_PREFIX,
    HuggingFaceReference,
    parse_folder,
    parse_repository,
)
from imgcls_networks.models.trained_model import CARD_NAME, WEIGHTS_NAME, TrainedModel

if TYPE_CHECKING:
    from torch import nn

TIMM_PREFIX: Final = "timm/"
_SAVED_SUFFIXES: Final = (".pt", ".pth", ".ts", ".torchscript", ".pt2")
_FILE_SUFFIXES: Final = (*_SAVED_SUFFIXES, ".onnx", ".mar")
_LARGEST_BYTES: Final = 2_000_000_000  # of a protobuf message


class _Reference:
    """What every kind of reference has."""

    @property
    def holds_weights(self) -> str | None:
        """The beginning of a sentence that says where the weights are; None where a checkpoint may be given."""
        return None


@dataclass(frozen=True)
class CatalogReference(_Reference):
    """A model with published weights."""

    entry: CatalogEntry

    @property
    def name(self) -> str:
        """Short name, used for the output file."""
        return self.entry.name

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class TrainedReference(_Reference):
    """A trained model's folder; the bundled model is one."""

    folder: Path
    card: TrainedModel

    @property
    def holds_weights(self) -> str:
        """Where they are."""
        return f"{str(self.folder)!r} holds its weights already, in {WEIGHTS_NAME}"

    @property
    def name(self) -> str:
        """Short name, used for the output file."""
        return self.card.name

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class _FileReference(_Reference):
    path: Path

    @property
    def holds_weights(self) -> str:
        """Where they are."""
        return f"{self.path.name!r} holds its weights already"

    @property
    def name(self) -> str:
        """Short name, used for the output file."""
        return self.path.stem

    def __str__(self) -> str:
        return self.path.name


@dataclass(frozen=True)
class SavedReference(_FileReference):
    """A file that holds network and weights: TorchScript, or a program of torch.export."""


@dataclass(frozen=True)
class ArchiveReference(_FileReference):
    """A TorchServe archive, with weights and mostly code."""

    archive: TorchServeArchive


@dataclass(frozen=True)
class OnnxReference(_FileReference):
    """An ONNX file that another tool wrote; `output` names the one of its outputs that is meant."""

    output: str | None = None


@dataclass(frozen=True)
class TimmReference(_Reference):
    """A model of the timm library, as `timm/NAME`."""

    timm_name: str

    @property
    def name(self) -> str:
        """Short name, used for the output file."""
        return re.sub(r"\W+", "_", self.timm_name)

    def __str__(self) -> str:
        return f"{TIMM_PREFIX}{self.timm_name}"


@dataclass(frozen=True)
class ModuleReference(_Reference):
    """A network that a program has in its hands."""

    network: nn.Module

    @property
    def name(self) -> str:
        """Short name, used for the output file."""
        return type(self.network).__name__.lower()

    def __str__(self) -> str:
        return f"{type(self.network).__module__}.{type(self.network).__qualname__}"


ModelReference: TypeAlias = (
    ArchiveReference
    | CatalogReference
    | FactoryReference
    | HuggingFaceReference
    | ModuleReference
    | OnnxReference
    | SavedReference
    | TimmReference
    | TrainedReference
)


def parse_model(text: str, revision: str | None = None) -> ModelReference:
    """Resolves MODEL.

    A name of the catalog is that model, even where a folder has the same name; `./NAME` is the folder.

    Args:
        text: MODEL.
        revision: branch, tag or commit of a model of the Hugging Face hub.

    Raises:
        RequestError: nothing by that name, no such file, a file without a factory, arguments that are not literals, a
            folder without a trained model.
    """
    if text.startswith(HUB_PREFIX):
        return parse_repository(text, revision)
    if revision is not None:
        raise RequestError(f"`--revision` is for models of the Hugging Face hub (hf/OWNER/NAME); {text!r} has none.")
    return _timm(text.removeprefix(TIMM_PREFIX)) if text.startswith(TIMM_PREFIX) else _from_files(text)


def _timm(name: str) -> TimmReference:
    if importlib.util.find_spec("timm") is None:
        raise RequestError(f"'{TIMM_PREFIX}{name}' needs the library timm, which is not installed: `pip install timm`.")
    return TimmReference(name)


def _from_files(text: str) -> ModelReference:
    if factory := parse_factory(text):
        return factory
    if text == bundled.BUNDLED:
        return _trained(bundled.bundled_folder())
    path = Path(text)
    if path.exists() and text not in read_catalog():
        return _existing(path, text)
    if text.endswith(_FILE_SUFFIXES):
        raise RequestError(
            f"There is no file {text!r}; MODEL may be ONNX, TorchScript, torch.export or a TorchServe archive."
        )
    return _from_catalog(text)


def refuse_untrusted(model: ArchiveReference | SavedReference) -> None:
    """Raises unless the user has said that code in the file may run; the file itself is not loaded.

    TorchScript can read and write files by its own operators, and a torch.export program is unpickled without limits.

    Raises:
        RequestError: it is a program.
        CheckpointError: it is none, a state dict perhaps.
    """
    if isinstance(model, ArchiveReference):
        code = model.archive.model_file
        if code is None and model.archive.weights.endswith(".onnx"):
            return
        raise RequestError(
            f"{model.path.name!r} would run: {code or model.archive.weights} in it is a program, which can "
            "read and write files. Say `--trust` when you know where it comes from; its handler is never run."
        )
    try:
        with zipfile.ZipFile(model.path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError):
        names = []
    is_export = model.path.suffix == ".pt2"
    if not is_export and not any(name.endswith("/constants.pkl") for name in names):
        raise CheckpointError(
            f"{model.path.name!r} is not a TorchScript file. For a state dict name its architecture as well: "
            f"`imgcls-convert MODEL --weights {model.path.name}`."
        )
    if is_export and not names:
        raise CheckpointError(f"{model.path.name!r} is not a program of torch.export: it is no zip archive.")
    what = (
        "torch.export file is unpickled, which can run any code"
        if is_export
        else ("TorchScript file is a program, which can read and write files")
    )
    raise RequestError(
        f"{model.path.name!r} would run: a {what}. Say `--trust` when you know where it comes from; a checkpoint of "
        "weights (`--weights FILE`) cannot run anything."
    )


def _existing(path: Path, text: str) -> ModelReference:
    """Gives what a file or folder is; raises RequestError, with the way to take it, for one that MODEL cannot be."""
    kind = refuse_foreign(path, text)
    if path.name in {CARD_NAME, WEIGHTS_NAME} and path.is_file():
        raise RequestError(f"{text!r} is a part of a trained model; name its folder: `imgcls-convert {path.parent}`.")
    if path.is_dir():
        theirs = any((path / name).is_file() for name in (CONFIG_NAME, ADAPTER_NAME))
        return parse_folder(path) if theirs and not (path / CARD_NAME).is_file() else _trained(path)
    if kind == ONNX:
        return _onnx(path)
    if kind == ARCHIVE:
        return ArchiveReference(path, read_archive(path))
    if kind != PROGRAM and path.suffix not in _SAVED_SUFFIXES:
        refuse_unknown(path, text)
    return SavedReference(path)


def _onnx(path: Path) -> OnnxReference:
    """Raises RequestError for an artifact: it is what a conversion makes; and for a file that is none by its size."""
    if (size := path.stat().st_size) > _LARGEST_BYTES:
        raise RequestError(f"{str(path)!r} has {size / 1e9:.1f} GB; one ONNX file holds at most 2 GB.")
    if any(key.startswith(KEY_PREFIX) for key in read_parts(path).props):
        raise RequestError(
            f"{str(path)!r} is an artifact of imgcls already: serve it as it is, or look at it with `imgcls-convert "
            f"inspect {path}`. For another precision convert the network that it was made from."
        )
    return OnnxReference(path)


def _from_catalog(name: str) -> CatalogReference:
    catalog = read_catalog()
    if entry := catalog.get(name):
        return CatalogReference(entry)
    near = difflib.get_close_matches(name, [*catalog, bundled.BUNDLED], n=3)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    raise RequestError(
        f"There is no model {name!r}.{hint} "
        "`imgcls-convert --list` shows the names; a network of your own is FILE.py:FACTORY or a trained model's folder."
    )


def _trained(folder: Path) -> TrainedReference:
    card = TrainedModel.read(folder)
    if not (folder / WEIGHTS_NAME).is_file():
        raise RequestError(
            f"{str(folder)!r} has a {CARD_NAME} and no {WEIGHTS_NAME}, the weights; copy the whole folder."
        )
    return TrainedReference(folder, card)
