"""The HTTP service for imgcls artifacts."""

from __future__ import annotations

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("imgcls-serve")
