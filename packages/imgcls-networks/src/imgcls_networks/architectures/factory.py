"""Networks from a user's own Python code."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from torch import nn

from imgcls_networks.architectures.found import FoundNetwork
from imgcls_networks.errors import RequestError
from imgcls_networks.exception_text import raised_at
from imgcls_networks.models.factory_reference import FactoryReference


def find_factory(model: FactoryReference, num_classes: int | None, *, own_weights: bool) -> FoundNetwork:
    """Takes what the code makes; nothing more is known of it."""
    return FoundNetwork(model.name, str(model), build=lambda: build_from_factory(model), asked_classes=num_classes)


def build_from_factory(model: FactoryReference) -> nn.Module:
    """Imports the code and calls its factory.

    Raises:
        RequestError: the code or the factory fails, is not there, or gives no network.
    """
    try:
        with _importable(model) as name:
            made = _factory_in(model, _import(model.place, name))
            network = made if isinstance(made, nn.Module) else made(*model.args, **model.options)  # pyright: ignore[reportCallIssue, reportUnknownVariableType]
    except RequestError:
        raise
    except SystemExit as error:
        raise RequestError(
            f"{model} ends the process when it is imported or called.{raised_at(error)} Put what a script does below "
            "`if __name__ == '__main__':`."
        ) from error
    except Exception as error:  # a user's own code may raise anything
        raise RequestError(f"{model} fails with {type(error).__name__}: {error}.{raised_at(error)}") from error
    if not isinstance(network, nn.Module):
        raise RequestError(f"{model} gives a {type(network).__name__}; it must give a torch.nn.Module.")
    return network


@contextmanager
def _importable(model: FactoryReference) -> Generator[str]:
    """Lets the code import its neighbours meanwhile; gives the name by which it is imported itself.

    A file in a package is imported as a part of it, so that its relative imports work; where they lead further up than
    there are `__init__.py`, the folders up to there are the package.
    """
    if isinstance(model.place, str):
        folder, parts = Path.cwd(), [model.place]
    else:
        folder, parts = model.place.resolve().parent, [model.place.stem]
        levels = _relative_levels(model.place)
        while (folder / "__init__.py").is_file() or len(parts) <= levels:
            parts.insert(0, folder.name)
            folder = folder.parent
        if len(parts) > 1 and parts[-1] == "__init__":
            parts.pop()
    sys.path.insert(0, str(folder))
    try:
        yield ".".join(parts)
    finally:
        sys.path.remove(str(folder))


def _relative_levels(path: Path) -> int:
    """Gives how many packages up its relative imports lead; what cannot be read is said when it is imported."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return 0
    return max((one.level for one in ast.walk(tree) if isinstance(one, ast.ImportFrom)), default=0)


def _import(place: Path | str, name: str) -> ModuleType:
    if isinstance(place, str) or "." in name:
        importlib.invalidate_caches()
        module = importlib.import_module(name)
        if isinstance(place, str) or (module.__file__ and Path(module.__file__).samefile(place)):
            return module
        # Another project's package of the same name is there.
        for loaded in [one for one in sys.modules if one.partition(".")[0] == name.partition(".")[0]]:
            del sys.modules[loaded]
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(name, place)
    if spec is None or spec.loader is None:
        raise RequestError(f"{str(place)!r} cannot be imported as Python.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look their module up
    spec.loader.exec_module(module)
    return module


def _factory_in(model: FactoryReference, module: ModuleType) -> object:
    found: object = module
    for part in model.factory.split("."):
        found = getattr(found, part, None)
    if callable(found):
        return found
    own = [name for name, value in vars(module).items() if not name.startswith("_") and _is_own(value, module)]
    has = f"it has {', '.join(own[:8])}" if own else "it defines no functions or classes"
    place = model.place.name if isinstance(model.place, Path) else model.place
    raise RequestError(f"{place} has no factory {model.factory!r}; {has}.")


def _is_own(value: object, module: ModuleType) -> bool:
    return isinstance(value, nn.Module) or (callable(value) and getattr(value, "__module__", None) == module.__name__)
