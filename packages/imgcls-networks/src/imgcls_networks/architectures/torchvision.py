"""Networks that torchvision publishes with weights, as the catalog names them."""

from __future__ import annotations

from typing import Any

import torchvision
from imgcls_core.artifact import Preprocessing
from PIL import __version__ as pillow_version
from torch import nn

from imgcls_networks.architectures.found import FoundNetwork
from imgcls_networks.labels import read_labels
from imgcls_networks.models.reference import CatalogReference


def find_published(model: CatalogReference, num_classes: int | None, *, own_weights: bool) -> FoundNetwork:
    """Takes what torchvision publishes with the weights; another number of classes leaves the weights out."""
    entry = model.entry
    weights = torchvision.models.get_model_weights(entry.architecture)[entry.weights]
    custom_head = num_classes is not None and num_classes != entry.classes
    options = {"num_classes": num_classes} if custom_head else {}
    return FoundNetwork(
        name=entry.name,
        architecture=f"torchvision.models.{entry.architecture}",
        build=lambda: _built(entry.architecture, options),
        sources=() if custom_head else entry.sources,
        asked_classes=num_classes,
        preprocessing=preset_preprocessing(weights.transforms()),
        classes=None if custom_head else read_labels(entry.labels),
    )


def _built(architecture: str, options: dict[str, int | None]) -> nn.Module:
    # GoogLeNet and Inception warn about the initialisation that loading the weights overwrites anyway.
    quiet = {"init_weights": False} if architecture in {"googlenet", "inception_v3"} else {}
    # Published checkpoints of these two hold the auxiliary heads; a network without them would call those keys extra.
    heads = {"aux_logits": True} if quiet else {}
    return torchvision.models.get_model(architecture, weights=None, **options, **quiet, **heads)


def preset_preprocessing(transforms: Any) -> Preprocessing:  # noqa: ANN401 - torchvision's preset is untyped
    """Translates torchvision's `ImageClassification` preset."""
    crop, resize = int(transforms.crop_size[0]), int(transforms.resize_size[0])
    return Preprocessing(
        size=(crop, crop),
        resize_mode="shortest_edge",
        resize_size=resize,
        crop="center",
        interpolation=transforms.interpolation.value,
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
        pillow=pillow_version,
    )
