"""Networks that a program hands over."""

from __future__ import annotations

import copy

from torch import nn

from imgcls_networks.architectures.found import FoundNetwork
from imgcls_networks.errors import RequestError
from imgcls_networks.exception_text import one_line
from imgcls_networks.models.reference import ModuleReference


def find_given(model: ModuleReference, num_classes: int | None, *, own_weights: bool) -> FoundNetwork:
    """Takes a copy of the network on the CPU; the caller's own stays where and as it is."""
    return FoundNetwork(
        model.name, str(model), build=lambda: _copied(model.network), asked_classes=num_classes, build_loads=True
    )


def _copied(network: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(network).cpu()
    except Exception as error:  # a module may hold anything
        raise RequestError(
            f"The {type(network).__name__} cannot be copied: {one_line(error)}. Give a network that has not computed "
            "anything with gradients, or `FILE.py:FACTORY` and its weights."
        ) from error
