"""From what a person names as MODEL to a PyTorch network and what is known of it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import torchvision
from imgcls_core.artifact import ClassInfo, Preprocessing
from PIL import __version__ as pillow_version
from torch import nn
from torchvision.transforms import InterpolationMode

from imgcls_convert.catalog import CatalogEntry
from imgcls_convert.download import WeightsSource
from imgcls_convert.errors import RequestError
from imgcls_convert.labels import read_labels
from imgcls_convert.model_reference import FactoryReference, ModelReference

_INTERPOLATION: Final[dict[InterpolationMode, Literal["bilinear", "bicubic"]]] = {
    InterpolationMode.BILINEAR: "bilinear",
    InterpolationMode.BICUBIC: "bicubic",
}


@dataclass(frozen=True)
class NamedNetwork:
    """A network before its weights are loaded.

    Args:
        name: short name, used for the output file.
        architecture: what goes into the artifact's provenance.
        build: makes the network.
        sources: where published weights can be had; empty when the factory is all there is.
        preprocessing: as published with the weights; None when nobody says.
        classes: names of the outputs; None when nobody says.
    """

    name: str
    architecture: str
    build: Callable[[], nn.Module]
    sources: Sequence[WeightsSource] = ()
    preprocessing: Preprocessing | None = None
    classes: tuple[ClassInfo, ...] | None = None


def find_network(model: ModelReference, num_classes: int | None) -> NamedNetwork:
    """Finds out what is known of a model, and how to build it.

    Args:
        model: what MODEL refers to.
        num_classes: length of the output that was asked for; None takes the model's own.
    """
    if isinstance(model, FactoryReference):
        return _from_file(model)
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


def _from_file(model: FactoryReference) -> NamedNetwork:
    described = f"{model.path.name}:{model.factory}"

    def build() -> nn.Module:
        network = _call(model.path, model.factory)
        if not isinstance(network, nn.Module):
            raise RequestError(f"{described} gives a {type(network).__name__}; it must give a torch.nn.Module.")
        return network

    return NamedNetwork(name=model.name, architecture=described, build=build)


def _call(path: Path, factory: str) -> object:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise RequestError(f"{str(path)!r} cannot be imported as Python.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses and pickling look their module up
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)  # the file may import its neighbours
    try:
        spec.loader.exec_module(module)
        build = getattr(module, factory, None)
        if not callable(build):
            names = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
            own = [name for name in names if getattr(vars(module)[name], "__module__", None) == path.stem]
            has = f"it has {', '.join(own[:8])}" if own else "it defines no functions or classes"
            raise RequestError(f"{path.name} has no factory {factory!r}; {has}.")
        return build()
    except RequestError:
        raise
    except Exception as error:  # a person's own code may raise anything
        raise RequestError(f"{path.name}:{factory} fails with {type(error).__name__}: {error}.") from error
    finally:
        sys.path.remove(folder)
