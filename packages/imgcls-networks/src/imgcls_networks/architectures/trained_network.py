"""Networks from a trained model's folder, and what its card says of the artifact."""

from __future__ import annotations

from typing import Final

import msgspec
from imgcls_core.artifact import Preprocessing, ReferenceDistribution

from imgcls_networks.architectures.by_name import SMALL, build_architecture, with_head
from imgcls_networks.architectures.named_network import NamedNetwork
from imgcls_networks.models.reference import TrainedReference
from imgcls_networks.models.trained_model import WEIGHTS_NAME, TrainedModel
from imgcls_networks.progress import Progress

_SMALL_HOME: Final = "imgcls_networks.architectures"


def find_trained(model: TrainedReference) -> NamedNetwork:
    """Takes from the card what is known of the network.

    Building it raises RequestError when the card names an architecture that this version does not have.
    """
    card, classes = model.card, len(model.card.classes)
    return NamedNetwork(
        name=card.name,
        architecture=_full_name(card.architecture),
        # A factory's network was given a head for these classes before it was trained.
        build=lambda: with_head(build_architecture(card.architecture, classes, model.folder), classes),
        preprocessing=card.preprocessing,
        classes=card.classes,
        checkpoint=model.folder / WEIGHTS_NAME,
        trained=card,
    )


def fitting_reference(
    card: TrainedModel, preprocessing: Preprocessing, progress: Progress
) -> ReferenceDistribution | None:
    """The card's reference distribution; None when the artifact prepares its images otherwise than it was measured."""
    if msgspec.structs.replace(preprocessing, pillow=card.preprocessing.pillow) == card.preprocessing:
        return card.reference
    progress.note(
        "the preprocessing is not the one that this model was trained and evaluated with: its accuracy is unknown, and "
        "its reference distribution is left out"
    )
    return None


def _full_name(architecture: str) -> str:
    if ".py:" in architecture:
        return architecture
    return f"{_SMALL_HOME if architecture == SMALL else 'torchvision.models'}.{architecture}"
