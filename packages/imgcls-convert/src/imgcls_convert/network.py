"""From what a person names as MODEL to a PyTorch network and what is known of it."""

from __future__ import annotations

from typing import Any, Final, Literal

import torchvision
from imgcls_core.artifact import Preprocessing
from PIL import __version__ as pillow_version
from torch import nn
from torchvision.transforms import InterpolationMode

from imgcls_convert.catalog import CatalogEntry
from imgcls_convert.factory_file import build_from_file
from imgcls_convert.labels import read_labels
from imgcls_convert.model_reference import (
    FactoryReference,
    ModelReference,
    SavedReference,
    TimmReference,
    TrainedReference,
)
from imgcls_convert.named_network import NamedNetwork
from imgcls_convert.saved_network import load_saved
from imgcls_convert.timm_network import find_timm
from imgcls_convert.trained_network import find_trained

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


def _from_catalog(entry: CatalogEntry, num_classes: int | None) -> NamedNetwork:
    weights = torchvision.models.get_model_weights(entry.architecture)[entry.weights]
    custom_head = num_classes is not None and num_classes != entry.classes
    options = {"num_classes": num_classes} if custom_head else {}
    return NamedNetwork(
        name=entry.name,
        architecture=f"torchvision.models.{entry.architecture}",
        build=lambda: _built(entry.architecture, options),
        sources=() if custom_head else entry.sources,
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
