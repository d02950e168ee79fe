"""From MODEL to what is known of its network: each kind of model has one finder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from imgcls_networks.architectures.architecture import find_trained
from imgcls_networks.architectures.factory import find_factory
from imgcls_networks.architectures.found import FoundNetwork
from imgcls_networks.architectures.given import find_given
from imgcls_networks.architectures.onnx_file import find_onnx
from imgcls_networks.architectures.saved import find_saved
from imgcls_networks.architectures.timm import find_timm
from imgcls_networks.architectures.torchserve import find_archived
from imgcls_networks.architectures.torchvision import find_published
from imgcls_networks.architectures.transformers import find_transformers
from imgcls_networks.models.factory_reference import FactoryReference
from imgcls_networks.models.hugging_face import HuggingFaceReference
from imgcls_networks.models.reference import (
    ArchiveReference,
    CatalogReference,
    ModelReference,
    ModuleReference,
    OnnxReference,
    SavedReference,
    TimmReference,
    TrainedReference,
)


class _Finder(Protocol):
    def __call__(self, model: Any, num_classes: int | None, *, own_weights: bool) -> FoundNetwork: ...  # noqa: ANN401


# A new kind of model is a class in `models.reference`, a module in `architectures` and a line here.
_FINDERS: Mapping[type, _Finder] = {
    ArchiveReference: find_archived,
    CatalogReference: find_published,
    FactoryReference: find_factory,
    HuggingFaceReference: find_transformers,
    ModuleReference: find_given,
    OnnxReference: find_onnx,
    SavedReference: find_saved,
    TimmReference: find_timm,
    TrainedReference: find_trained,
}


def find_network(model: ModelReference, num_classes: int | None, *, own_weights: bool) -> FoundNetwork:
    """Finds out what is known of a model, and how to build it.

    Args:
        model: what MODEL refers to.
        num_classes: length of the output that was asked for; None takes the model's own.
        own_weights: a checkpoint follows, so that published weights need not be downloaded.

    Raises:
        RequestError: a library has no such model, or its preprocessing is one that artifacts do not have.
    """
    return _FINDERS[type(model)](model, num_classes, own_weights=own_weights)
