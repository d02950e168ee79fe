"""Networks from a user's own Python file."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from torch import nn

from imgcls_networks.architectures.found import FoundNetwork
from imgcls_networks.errors import RequestError
from imgcls_networks.models.reference import FactoryReference


def find_factory(model: FactoryReference, num_classes: int | None, *, own_weights: bool) -> FoundNetwork:
    """Takes what the file makes; nothing more is known of it."""
    return FoundNetwork(model.name, str(model), build=lambda: build_from_file(model), asked_classes=num_classes)


def build_from_file(model: FactoryReference) -> nn.Module:
    """Imports the file and calls its factory; a module that is there already is taken as it is.

    Raises:
        RequestError: the file or the factory fails, is not there, or gives no network.
    """
    folder = str(model.path.resolve().parent)
    sys.path.insert(0, folder)  # the file may import its neighbours
    try:
        made = _factory_in(model, _import(model.path))
        network = made if isinstance(made, nn.Module) else made(*model.args, **model.options)  # pyright: ignore[reportCallIssue, reportUnknownVariableType]
    except RequestError:
        raise
    except Exception as error:  # a user's own code may raise anything
        raise RequestError(f"{model} fails with {type(error).__name__}: {error}.") from error
    finally:
        sys.path.remove(folder)
    if not isinstance(network, nn.Module):
        raise RequestError(f"{model} gives a {type(network).__name__}; it must give a torch.nn.Module.")
    return network


def _import(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise RequestError(f"{str(path)!r} cannot be imported as Python.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses and pickling look their module up
    spec.loader.exec_module(module)
    return module


def _factory_in(model: FactoryReference, module: ModuleType) -> object:
    found = getattr(module, model.factory, None)
    if callable(found):
        return found
    own = [
        name
        for name, value in vars(module).items()
        if callable(value) and not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]
    has = f"it has {', '.join(own[:8])}" if own else "it defines no functions or classes"
    raise RequestError(f"{model.path.name} has no factory {model.factory!r}; {has}.")
