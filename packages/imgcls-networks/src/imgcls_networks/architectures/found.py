"""A network that has been found but not built yet, with what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from imgcls_core.artifact import ClassInfo, Preprocessing
from torch import nn

from imgcls_networks.models.trained_model import TrainedModel
from imgcls_networks.weights.source import WeightsSource


@dataclass(frozen=True)
class FoundNetwork:
    """A network before its weights are loaded.

    Args:
        name: short name, used for the output file.
        architecture: what goes into the artifact's provenance.
        build: makes the network.
        sources: where published weights can be had; empty when the factory is all there is.
        asked_classes: length of the output that was asked for; None takes the network's own.
        build_loads: `build` brings published weights itself.
        preprocessing: as published with the weights; None when nobody says.
        classes: names of the outputs; None when nobody says.
        whole_file: a file that holds the network with its weights; `--weights` has no place beside it.
        checkpoint: a file that holds the weights, and nothing but them.
        about_weights: what there is to know of the weights, in one line; travels with the artifact.
        trained: the card of a trained model, where the network is one.
    """

    name: str
    architecture: str
    build: Callable[[], nn.Module]
    sources: Sequence[WeightsSource] = ()
    asked_classes: int | None = None
    build_loads: bool = False
    preprocessing: Preprocessing | None = None
    classes: tuple[ClassInfo, ...] | None = None
    whole_file: Path | None = None
    checkpoint: Path | None = None
    about_weights: str | None = None
    trained: TrainedModel | None = None
