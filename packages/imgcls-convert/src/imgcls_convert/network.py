"""From what a person names as MODEL to a PyTorch network and what is known of it."""

from __future__ import annotations

import difflib
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

from imgcls_convert.catalog import read_catalog
from imgcls_convert.download import WeightsSource
from imgcls_convert.errors import RequestError
from imgcls_convert.labels import read_labels
from imgcls_convert.request import ConvertRequest

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


def find_network(request: ConvertRequest) -> NamedNetwork:
    """Resolves MODEL: FILE.py:FACTORY, else a name of the catalog (torchvision's architectures).

    Raises:
        RequestError: nothing by that name, or a FILE.py without that factory.
    """
    file, colon, factory = request.model.rpartition(":")
    if colon and file.endswith(".py"):
        return _from_file(Path(file), factory)
    if request.model.endswith(".py"):
        raise RequestError(
            f"{request.model!r} names no factory; write `{request.model}:FACTORY`, a function that builds the network."
        )
    return _from_catalog(request)


def _from_catalog(request: ConvertRequest) -> NamedNetwork:
    catalog = read_catalog()
    entry = catalog.get(request.model)
    if entry is None:
        near = difflib.get_close_matches(request.model, catalog, n=3)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise RequestError(
            f"There is no model {request.model!r}.{hint} "
            "`imgcls-convert --list` shows the names; a network of your own is FILE.py:FACTORY."
        )
    weights = torchvision.models.get_model_weights(entry.architecture)[entry.weights]
    custom_head = request.num_classes is not None and request.num_classes != entry.classes
    options = {"num_classes": request.num_classes} if custom_head else {}
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


def _from_file(path: Path, factory: str) -> NamedNetwork:
    if not path.is_file():
        raise RequestError(f"There is no file {str(path)!r}; FILE.py:FACTORY names a Python file and a function in it.")

    def build() -> nn.Module:
        network = _call(path, factory)
        if not isinstance(network, nn.Module):
            raise RequestError(
                f"{path.name}:{factory} gives a {type(network).__name__}; it must give a torch.nn.Module."
            )
        return network

    return NamedNetwork(name=path.stem, architecture=f"{path.name}:{factory}", build=build)


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
