"""PyTorch image classifier in, one proven ONNX artifact out: `convert`. The commands are in `imgcls_convert.cli`.

The public names below are imported on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgcls_core.errors import ImgclsError
    from imgcls_networks.errors import CheckpointError, DownloadError, NetworkError, RequestError

    from imgcls_convert.api import convert
    from imgcls_convert.errors import AgreementError, ConversionError, ExportError, ParityError, WeakProofError
    from imgcls_convert.report.report import ConversionReport

__all__ = [
    "AgreementError",
    "CheckpointError",
    "ConversionError",
    "ConversionReport",
    "DownloadError",
    "ExportError",
    "ImgclsError",
    "NetworkError",
    "ParityError",
    "RequestError",
    "WeakProofError",
    "convert",
]

_HOME = {
    "CheckpointError": "imgcls_networks.errors",
    "ConversionReport": "imgcls_convert.report.report",
    "DownloadError": "imgcls_networks.errors",
    "ImgclsError": "imgcls_core.errors",
    "NetworkError": "imgcls_networks.errors",
    "RequestError": "imgcls_networks.errors",
    "convert": "imgcls_convert.api",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - module __getattr__ returns whatever the name stands for
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME.get(name, "imgcls_convert.errors")), name)
