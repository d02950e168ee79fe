"""Recipes by name or from a file, with single values changed on the command line."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
from imgcls_networks.errors import RequestError

from imgcls_train.training.recipe import Recipe


def recipe_names() -> list[str]:
    """Gives the names of the recipes that come with the package."""
    folder = resources.files("imgcls_train") / "recipes"
    return sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".toml"))


def read_recipe(name_or_file: str | None, changes: dict[str, Any]) -> Recipe:
    """Reads a recipe and changes values of it.

    Args:
        name_or_file: one that comes with the package, or a TOML file; None begins with the defaults.
        changes: field → value; texts are read as TOML values where the field is no text.

    Raises:
        RequestError: no such recipe, an unknown field, or a value that the field does not take.
    """
    source = f"the recipe {name_or_file!r}" if name_or_file else "the recipe"
    values = _read(name_or_file) if name_or_file else {}
    values |= {field: _value(field, value) for field, value in changes.items()}
    try:
        return msgspec.convert(values, Recipe)
    except msgspec.ValidationError as error:
        known = ", ".join(Recipe.__struct_fields__)
        raise RequestError(f"{source} cannot be used: {error}. Its fields are {known}.") from error


def _read(name_or_file: str) -> dict[str, Any]:
    path = Path(name_or_file)
    try:
        if name_or_file in recipe_names():
            text = (resources.files("imgcls_train") / "recipes" / f"{name_or_file}.toml").read_text(encoding="utf-8")
        elif path.is_file():
            text = path.read_text(encoding="utf-8")
        else:
            raise RequestError(
                f"There is no recipe {name_or_file!r}: it is neither a file nor one of {', '.join(recipe_names())}."
            )
        return tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RequestError(f"The recipe {name_or_file!r} cannot be read as TOML: {error}.") from error


def _value(field: str, value: Any) -> Any:  # noqa: ANN401 - whatever a field takes
    """Reads `lr = 0.1` or `train_sizes = [40, 48]` as they were typed; what is no TOML is a text."""
    if not isinstance(value, str):
        return value
    try:
        return tomllib.loads(f"{field} = {value}")[field]
    except (tomllib.TOMLDecodeError, KeyError):
        return value
