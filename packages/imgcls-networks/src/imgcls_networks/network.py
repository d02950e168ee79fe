"""From MODEL to a PyTorch network with its weights, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import torchvision
from imgcls_core.artifact import Preprocessing
from imgcls_core.checksum import file_sha256
from PIL import __version__ as pillow_version
from torch import nn
from torchvision.transforms import InterpolationMode

from imgcls_networks.architectures.factory_file import build_from_file
from imgcls_networks.architectures.named_network import NamedNetwork
from imgcls_networks.architectures.saved_network import load_saved
from imgcls_networks.architectures.timm_network import find_timm
from imgcls_networks.architectures.trained_network import find_trained
from imgcls_networks.errors import RequestError
from imgcls_networks.labels import read_labels
from imgcls_networks.models.catalog import CatalogEntry
from imgcls_networks.models.reference import (
    FactoryReference,
    ModelReference,
    SavedReference,
    TimmReference,
    TrainedReference,
)
from imgcls_networks.models.trained_model import CARD_NAME
from imgcls_networks.progress import Progress
from imgcls_networks.weights.checkpoint import Checkpoint, load_into, read_checkpoint
from imgcls_networks.weights.download import fetch
from imgcls_networks.weights.source import WeightsSource

_INTERPOLATION: Final[dict[InterpolationMode, Literal["bilinear", "bicubic"]]] = {
    InterpolationMode.BILINEAR: "bilinear",
    InterpolationMode.BICUBIC: "bicubic",
}


def find_network(model: ModelReference, num_classes: int | None, *, own_weights: bool) -> NamedNetwork:
    """Finds out what is known of a model, and how to build it.

    Args:
        model: what MODEL refers to.
        num_classes: length of the output that was asked for; None takes the model's own.
        own_weights: a checkpoint follows, so that published weights need not be downloaded.
    """
    if isinstance(model, FactoryReference):
        return NamedNetwork(model.name, str(model), build=lambda: build_from_file(model))
    if isinstance(model, SavedReference):
        return NamedNetwork(model.name, model.path.name, build=lambda: load_saved(model.path), whole_file=model.path)
    if isinstance(model, TrainedReference):
        return find_trained(model)
    if isinstance(model, TimmReference):
        return find_timm(model, num_classes, pretrained=not own_weights)
    return _from_catalog(model.entry, num_classes)


@dataclass(frozen=True)
class WeightsFile:
    """The file that the weights came from."""

    path: Path
    sha256: str


def obtain_network(
    named: NamedNetwork, weights: Path | WeightsSource | None, progress: Progress
) -> tuple[nn.Module, WeightsFile | None]:
    """Builds the network and loads its weights.

    Args:
        named: from `find_network`.
        weights: a checkpoint of the user's own; None takes the network's own sources.
        progress: shown the download, told what is assumed.

    Returns:
        The network, and the file that its weights came from (None: the factory made them).

    Raises:
        RequestError: the factory fails, or nobody publishes weights for what was asked.
        DownloadError: the weights cannot be had.
        CheckpointError: they do not fit, or cannot be loaded safely.
    """
    if named.whole_file:
        return named.build(), WeightsFile(named.whole_file, file_sha256(named.whole_file))
    checkpoint = read_checkpoint(named.checkpoint) if named.checkpoint else _checkpoint(named, weights, progress)
    network = named.build()
    if checkpoint is None:
        return network, None
    if named.trained:
        load_into(network, checkpoint, hint=f"It is not what {CARD_NAME} beside it describes: copy the folder again.")
    else:
        load_into(network, checkpoint)
    return network, WeightsFile(checkpoint.path, checkpoint.sha256)


def _checkpoint(named: NamedNetwork, weights: Path | WeightsSource | None, progress: Progress) -> Checkpoint | None:
    if isinstance(weights, WeightsSource):
        if weights.sha256 is None:
            progress.note("the download is not pinned; `--weights URL#sha256=HEX` would check it")
        return read_checkpoint(fetch([weights], what=named.name, progress=progress))
    if weights:
        return read_checkpoint(weights)
    if named.sources:
        return read_checkpoint(fetch(named.sources, what=named.name, progress=progress))
    if named.unpublished_classes is not None:
        raise RequestError(
            f"There are no published weights of {named.name} for "
            f"{named.unpublished_classes} classes; give your checkpoint with `--weights FILE`."
        )
    if not named.build_loads:
        progress.note(f"no --weights were given: the network is converted as {named.architecture} makes it")
    return None


def _from_catalog(entry: CatalogEntry, num_classes: int | None) -> NamedNetwork:
    weights = torchvision.models.get_model_weights(entry.architecture)[entry.weights]
    custom_head = num_classes is not None and num_classes != entry.classes
    options = {"num_classes": num_classes} if custom_head else {}
    return NamedNetwork(
        name=entry.name,
        architecture=f"torchvision.models.{entry.architecture}",
        build=lambda: _built(entry.architecture, options),
        sources=() if custom_head else entry.sources,
        unpublished_classes=num_classes if custom_head else None,
        preprocessing=_published_preprocessing(weights.transforms()),
        classes=None if custom_head else read_labels(entry.labels),
    )


def _built(architecture: str, options: dict[str, int | None]) -> nn.Module:
    # GoogLeNet and Inception warn about the initialisation that loading the weights overwrites anyway.
    quiet = {"init_weights": False} if architecture in {"googlenet", "inception_v3"} else {}
    # Published checkpoints of these two hold the auxiliary heads; a network without them would call those keys extra.
    heads = {"aux_logits": True} if quiet else {}
    return torchvision.models.get_model(architecture, weights=None, **options, **quiet, **heads)


def _published_preprocessing(transforms: Any) -> Preprocessing:  # noqa: ANN401 - torchvision's preset is untyped
    """Translates torchvision's `ImageClassification` preset."""
    crop, resize = int(transforms.crop_size[0]), int(transforms.resize_size[0])
    return Preprocessing(
        size=(crop, crop),
        resize_mode="shortest_edge",
        resize_size=resize,
        crop="center",
        interpolation=_INTERPOLATION[transforms.interpolation],
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
        pillow=pillow_version,
    )
