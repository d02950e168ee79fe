"""The HTTP service for imgcls artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """Looks the version up when it is asked for: reading metadata takes a third of the time that `--help` may take."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version  # noqa: PLC0415 - costs what the docstring says

    return version("imgcls-serve")
