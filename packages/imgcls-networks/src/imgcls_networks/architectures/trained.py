"""Networks from a trained model's folder, as its card describes them."""

from __future__ import annotations

from imgcls_networks.architectures.architecture import build_architecture, full_name, with_head
from imgcls_networks.architectures.found import FoundNetwork
from imgcls_networks.models.reference import TrainedReference
from imgcls_networks.models.trained_model import WEIGHTS_NAME, card_words


def find_trained(model: TrainedReference, num_classes: int | None, *, own_weights: bool) -> FoundNetwork:
    """Takes from the card what is known of the network.

    Building it raises RequestError when the card names an architecture that this version does not have.
    """
    card, classes = model.card, len(model.card.classes)
    return FoundNetwork(
        name=card.name,
        architecture=full_name(card.architecture),
        # A factory's network was given a head for these classes before it was trained.
        build=lambda: with_head(build_architecture(card.architecture, classes, model.folder), classes),
        asked_classes=num_classes,
        preprocessing=card.preprocessing,
        classes=card.classes,
        checkpoint=model.folder / WEIGHTS_NAME,
        about_weights=card_words(card),
        trained=card,
    )
