"""The network that a fit begins with: fresh, or with pretrained weights and a new head."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from imgcls_cli.progress import Progress
from imgcls_networks.architectures.architecture import build_architecture, head_name, with_head
from imgcls_networks.errors import RequestError
from imgcls_networks.models.catalog import read_catalog
from imgcls_networks.weights.checkpoint import Checkpoint, ChosenWeights, choose, load_into, read_checkpoint
from imgcls_networks.weights.download import fetch
from imgcls_networks.weights.source import weights_in
from torch import nn

from imgcls_train.training.recipe import Recipe


@dataclass(frozen=True)
class InitialNetwork:
    """A network before its first step.

    Args:
        network: float32 [N, 3, H, W] → logits float32 [N, classes].
        head: name of the module that gives the logits.
        weights: what the weights were, for the model's card.
    """

    network: nn.Module
    head: str
    weights: str

    @property
    def parameters(self) -> int:
        """How many trainable numbers it has."""
        return sum(math.prod(parameter.shape) for parameter in self.network.parameters())


def initial_network(recipe: Recipe, num_classes: int, folder: Path, progress: Progress) -> InitialNetwork:
    """Builds the network and loads the pretrained weights that the recipe names.

    Args:
        recipe: names the architecture, the weights and the seed.
        num_classes: length of the output.
        folder: the run's folder; a factory's file is looked up there.
        progress: is told of a download.

    Raises:
        RequestError: no such architecture, or no published weights of it.
        DownloadError: the weights cannot be had.
        CheckpointError: they do not fit, or the file holds several sets that could be meant.
    """
    torch.manual_seed(recipe.seed)
    if not recipe.pretrained:
        network = build_architecture(recipe.architecture, num_classes, folder)
        network = with_head(network, num_classes)
        return InitialNetwork(network, head_name(network), "none")
    checkpoint = _checkpoint(recipe, progress)
    network = build_architecture(recipe.architecture, num_classes, folder)
    weights = choose(checkpoint, network, recipe.state_key or None)
    if weights.note:
        progress.note(weights.note)
    trained_classes = _classes_of(weights, network)
    if trained_classes is not None and trained_classes != num_classes:
        network = build_architecture(recipe.architecture, trained_classes, folder)
    load_into(network, weights)
    # A new head even for the same number of classes would lose what is known; only another number needs one.
    network = with_head(network, num_classes)
    file = ", ".join(filter(None, [checkpoint.path.name, weights.key]))
    return InitialNetwork(network, head_name(network), f"{file} (SHA-256 {checkpoint.sha256})")


def _checkpoint(recipe: Recipe, progress: Progress) -> Checkpoint:
    if recipe.pretrained == "catalog":
        entry = read_catalog().get(recipe.architecture)
        if entry is None:
            raise RequestError(
                f"There are no published weights of {recipe.architecture!r}; give some with `--pretrained FILE`."
            )
        return read_checkpoint(fetch(entry.sources, what=entry.name, progress=progress))
    path = Path(recipe.pretrained)
    if path.is_dir():
        path = weights_in(path)
    if not path.is_file():
        raise RequestError(
            f"There is no checkpoint at {recipe.pretrained!r}; `--pretrained` takes 'catalog', a file or the folder "
            "of a trained model."
        )
    return read_checkpoint(path)


def _classes_of(weights: ChosenWeights, network: nn.Module) -> int | None:
    weight = weights.tensors.get(f"{head_name(network)}.weight")
    return None if weight is None else int(weight.shape[0])
