"""What MODEL on the command line refers to: a catalog entry, or a factory in a person's file. Imports no torch."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from imgcls_convert.catalog import CatalogEntry, read_catalog
from imgcls_convert.errors import RequestError


@dataclass(frozen=True)
class CatalogReference:
    """A model with published weights."""

    entry: CatalogEntry

    @property
    def name(self) -> str:
        """Short name, used for the output file."""
        return self.entry.name


@dataclass(frozen=True)
class FactoryReference:
    """FILE.py:FACTORY, a function or class of a person's own that gives the network."""

    path: Path
    factory: str

    @property
    def name(self) -> str:
        """Short name, used for the output file."""
        return self.path.stem


ModelReference: TypeAlias = CatalogReference | FactoryReference


def parse_model(text: str) -> ModelReference:
    """Resolves MODEL.

    Raises:
        RequestError: nothing by that name, no such file, or a file without a factory.
    """
    file, colon, factory = text.rpartition(":")
    if colon and file.endswith(".py"):
        return _factory(Path(file), factory)
    if text.endswith(".py"):
        raise RequestError(
            f"{text!r} names no factory; write `{text}:FACTORY`, a function or class that gives the network."
        )
    catalog = read_catalog()
    if entry := catalog.get(text):
        return CatalogReference(entry)
    near = difflib.get_close_matches(text, catalog, n=3)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    raise RequestError(
        f"There is no model {text!r}.{hint} "
        "`imgcls-convert --list` shows the names; a network of your own is FILE.py:FACTORY."
    )


def _factory(path: Path, factory: str) -> FactoryReference:
    if not path.is_file():
        raise RequestError(f"There is no file {str(path)!r}; FILE.py:FACTORY names a Python file and a function in it.")
    return FactoryReference(path, factory)
