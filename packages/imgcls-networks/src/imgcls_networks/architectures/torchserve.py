"""Networks from a TorchServe archive: its own network file and weights, TorchScript or ONNX."""

from __future__ import annotations

import atexit
import tempfile
from dataclasses import replace
from pathlib import Path

from imgcls_core.artifact import Preprocessing
from PIL import __version__ as pillow_version

from imgcls_networks.architectures.factory import find_factory
from imgcls_networks.architectures.found import ExpectedInput, FoundNetwork
from imgcls_networks.architectures.onnx_file import find_onnx
from imgcls_networks.architectures.saved import find_saved
from imgcls_networks.errors import RequestError
from imgcls_networks.foreign.kind import CHECKPOINT, ONNX, kind_of
from imgcls_networks.foreign.torchserve import IMAGE_CLASSIFIER, LABELS_NAME, TorchServeArchive
from imgcls_networks.labels import read_labels
from imgcls_networks.models.factory_reference import FactoryReference
from imgcls_networks.models.reference import ArchiveReference, OnnxReference, SavedReference

# What TorchServe's handler `image_classifier` does before the network.
_PREPROCESSING = Preprocessing(
    size=(224, 224),
    resize_mode="shortest_edge",
    resize_size=256,
    crop="center",
    interpolation="bilinear",
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    pillow=pillow_version,
)


def find_archived(model: ArchiveReference, num_classes: int | None, *, own_weights: bool) -> FoundNetwork:
    """Unpacks the archive, for as long as this process lives, and takes what is in it.

    Raises:
        RequestError: it cannot be unpacked, or its handler makes the network.
    """
    archive = model.archive
    unpacked = tempfile.TemporaryDirectory(prefix="imgcls-mar-")
    atexit.register(unpacked.cleanup)
    folder = Path(unpacked.name)
    archive.unpack(folder)
    found = _found(archive, folder, num_classes)
    labels = folder / LABELS_NAME
    return replace(
        found,
        name=model.name,
        architecture=f"{model.path.name}: {found.architecture}",
        about_weights=", ".join(
            filter(None, [f"of {model.path.name}, handler {archive.handler}", found.about_weights])
        ),
        classes=read_labels(str(labels)) if labels.is_file() else None,
        preprocessing=_PREPROCESSING if archive.handler == IMAGE_CLASSIFIER else None,
        expected=None if archive.handler == IMAGE_CLASSIFIER else found.expected or ExpectedInput(),
    )


def _found(archive: TorchServeArchive, folder: Path, num_classes: int | None) -> FoundNetwork:
    weights = folder / archive.weights
    if archive.model_file is not None:
        factory = FactoryReference(folder / archive.model_file, archive.model_class(folder))
        return replace(find_factory(factory, num_classes, own_weights=True), checkpoint=weights)
    kind = kind_of(weights)
    if kind == ONNX:
        return find_onnx(OnnxReference(weights), num_classes, own_weights=False)
    if kind == CHECKPOINT:
        raise RequestError(
            f"{archive.path.name!r} holds weights and no network: its handler {archive.handler!r} makes it. Name the "
            f"network: `imgcls-convert FILE.py:FACTORY --weights {archive.weights}`, with the archive unpacked."
        )
    return find_saved(SavedReference(weights), num_classes, own_weights=False)
