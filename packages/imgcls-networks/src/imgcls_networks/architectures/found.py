"""A network that has been found but not built yet, with what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from imgcls_cli.progress import Progress
from imgcls_core.artifact import ClassInfo, Precision, Preprocessing
from PIL import Image
from torch import Tensor, nn

from imgcls_networks.models.trained_model import TrainedModel
from imgcls_networks.weights.source import WeightsSource

# An upright RGB image → the network's input, float32 [1, 3, height, width].
Prepare: TypeAlias = Callable[[Image.Image], Tensor]


@dataclass(frozen=True)
class WeightsFile:
    """The file that the weights came from, and which of its sets was asked for."""

    path: Path
    sha256: str
    key: str | None = None


@dataclass(frozen=True)
class ExpectedInput:
    """What a file says of its input, where it does not say how images become it: nothing more is assumed then.

    Args:
        size: height and width, in pixels; None where it takes any.
        takes_levels: it takes a pixel's levels from 0 to 255, and so no mean and std.
        precision: that in which the network computes.
    """

    size: tuple[int, int] | None = None
    takes_levels: bool = False
    precision: Precision = "fp32"


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
        load: builds the network with its weights, where it needs a way of its own.
        prepare: the library's own preprocessing, which is what `preprocessing` says: the yardstick where it is taken.
        other_preparations: other ways in which the library prepares images, by name; how far answers move with them
            is measured and said.
        no_preprocessing: why what is published cannot be taken, in sentences; the user must say all of it then.
        expected: set where the preprocessing must be said by the user, and nothing is assumed.
        yardstick: the file that the artifact is compared with; None where it is PyTorch.
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
    load: Callable[[Progress], tuple[nn.Module, WeightsFile]] | None = None
    prepare: Prepare | None = None
    other_preparations: Mapping[str, Prepare] = field(default_factory=dict[str, Prepare])
    no_preprocessing: str | None = None
    expected: ExpectedInput | None = None
    yardstick: str | None = None
