"""Networks by name: ours and torchvision's, fresh or as a trained model's card describes them; and their heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torchvision
from torch import nn

from imgcls_networks.architectures.factory import build_from_factory
from imgcls_networks.architectures.found import FoundNetwork
from imgcls_networks.architectures.small_resnet import SmallResNet
from imgcls_networks.errors import RequestError
from imgcls_networks.models.factory_reference import FactoryReference
from imgcls_networks.models.reference import TrainedReference
from imgcls_networks.models.trained_model import WEIGHTS_NAME, card_words

# By name, from the length of the output: what is ours, beside torchvision's.
_OURS: Final[Mapping[str, Callable[[int], nn.Module]]] = {"small_resnet12": SmallResNet}


def build_architecture(name: str, num_classes: int, folder: Path | None = None) -> nn.Module:
    """Builds a network with fresh weights.

    Args:
        name: one of ours, as `small_resnet12`, a classification architecture of torchvision, or FILE.py:FACTORY with a
            file in `folder`, which is imported.
        num_classes: length of the output; a factory's network keeps the one that it has (see `with_head`).
        folder: the trained model's.

    Returns:
        The network: float32 [N, 3, H, W] → logits float32 [N, num_classes].

    Raises:
        RequestError: no architecture has that name.
    """
    if name in _OURS:
        return _OURS[name](num_classes)
    if folder is not None and ".py:" in name:
        file, _, factory = name.partition(":")
        return build_from_factory(FactoryReference(folder / file, factory))
    if name not in torchvision.models.list_models(module=torchvision.models):
        ours = ", ".join(_OURS)
        raise RequestError(f"There is no architecture {name!r}; take {ours} or a torchvision one, such as resnet18.")
    # GoogLeNet and Inception warn about their slow initialisation and have heads that only training on 299 px uses.
    options: dict[str, Any] = (
        {"init_weights": True, "aux_logits": False} if name in {"googlenet", "inception_v3"} else {}
    )
    return torchvision.models.get_model(name, weights=None, num_classes=num_classes, **options)


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


def full_name(name: str) -> str:
    """Gives the name of an architecture with where it is from, as provenance says it."""
    if ".py:" in name:
        return name
    return f"{__package__ if name in _OURS else 'torchvision.models'}.{name}"


def head_name(network: nn.Module) -> str:
    """Finds the module that gives the logits: the last linear layer or 1 × 1 convolution.

    Raises:
        RequestError: there is none.
    """
    heads = [name for name, module in network.named_modules() if _outputs(module) is not None]
    if not heads:
        raise RequestError(
            f"{type(network).__name__} ends in no linear layer or 1 × 1 convolution; its head is unknown."
        )
    return heads[-1]


def with_head(network: nn.Module, num_classes: int) -> nn.Module:
    """Gives the network an output of that length: a fresh head where the present one has another length."""
    name = head_name(network)
    head = network.get_submodule(name)
    if _outputs(head) == num_classes:
        return network
    fresh: nn.Module
    if isinstance(head, nn.Linear):
        fresh = nn.Linear(head.in_features, num_classes)
        # Torchvision's choice for heads; the first answers are then near the uniform distribution.
        nn.init.normal_(fresh.weight, std=0.01)
        nn.init.zeros_(fresh.bias)
    else:
        fresh = nn.Conv2d(head.in_channels, num_classes, 1)  # pyright: ignore[reportArgumentType]
    network.set_submodule(name, fresh)
    return network


def _outputs(module: nn.Module) -> int | None:
    if isinstance(module, nn.Linear):
        return module.out_features
    if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and module.bias is not None:
        return module.out_channels
    return None
