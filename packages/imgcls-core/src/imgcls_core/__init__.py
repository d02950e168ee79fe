"""Decode, exact preprocessing and ONNX Runtime inference for imgcls artifacts.

The public names below are imported on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgcls_core.artifact import (
        ArtifactMetadata,
        ClassInfo,
        GoldenCase,
        Parity,
        Preprocessing,
        ReferenceDistribution,
        Source,
    )
    from imgcls_core.classifier import OnnxClassifier, Prediction
    from imgcls_core.errors import (
        ArtifactError,
        GoldenMismatchError,
        ImageError,
        ImageTooLargeError,
        ImageUndecodableError,
        ImgclsError,
        ProviderUnavailableError,
    )
    from imgcls_core.image_decode import DecodeLimits
    from imgcls_core.preprocess import ImagePreprocessor

__all__ = [
    "ArtifactError",
    "ArtifactMetadata",
    "ClassInfo",
    "DecodeLimits",
    "GoldenCase",
    "GoldenMismatchError",
    "ImageError",
    "ImagePreprocessor",
    "ImageTooLargeError",
    "ImageUndecodableError",
    "ImgclsError",
    "OnnxClassifier",
    "Parity",
    "Prediction",
    "Preprocessing",
    "ProviderUnavailableError",
    "ReferenceDistribution",
    "Source",
]

_HOME = {
    "ArtifactMetadata": "artifact",
    "ClassInfo": "artifact",
    "DecodeLimits": "image_decode",
    "GoldenCase": "artifact",
    "ImagePreprocessor": "preprocess",
    "OnnxClassifier": "classifier",
    "Parity": "artifact",
    "Prediction": "classifier",
    "Preprocessing": "artifact",
    "ReferenceDistribution": "artifact",
    "Source": "artifact",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - module __getattr__ returns whatever the name stands for
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME.get(name, 'errors')}"), name)
