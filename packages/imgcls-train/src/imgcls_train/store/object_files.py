"""The catalog of models that can be converted by name: data, read from `data/catalog.json`."""

from __future__ import annotations

from importlib import resources

import msgspec
from imgcls_networks.weights.source import WeightsSource


class CatalogEntry(msgspec.Struct, frozen=True):
    """One model with published weights.

    Args:
        name: what a user types.
        architecture: torchvision's name of the network.
        weights: torchvision's name of the weights, whose metadata hold the preprocessing.
        dataset: what it was trained on.
        labels: name of its label list.
        classes: length of the output.
        top1_pct: published top-1 accuracy on the dataset's validation split.
        top5_pct: published top-5 accuracy.
        megabytes: size of the checkpoint.
        licence: of the weights.
        sources: where the checkpoint can be had, in order of trial.
    """

    name: str
    architecture: str
    weights: str
    dataset: str
    labels: str
    classes: int
    top1_pct: float
    top5_pct: float
    megabytes: float
    licence: str
    sources: tuple[WeightsSource, ...]


def read_catalog() -> dict[str, CatalogEntry]:
    """Reads the catalog: name → entry, in order of the names."""
    text = (resources.files("imgcls_networks") / "data" / "catalog.json").read_bytes()
    return {entry.name: entry for entry in msgspec.json.decode(text, type=list[CatalogEntry])}
