"""Decode, exact preprocessing and ONNX Runtime inference for imgcls artifacts.

The public names below are imported on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgcls_contract import ClassProbability

    from imgcls_core.artifact import (
        ArtifactMetadata,
        ClassInfo,
        GoldenCase,
        Parity,
        Preprocessing,
        ReferenceDistribution,
        Source,
    )
    from imgcls_core.artifact.seal import Seal, check_seal
    from imgcls_core.artifact.signature import sign_artifact
    from imgcls_core.errors import (
        ArtifactError,
        GoldenMismatchError,
        ImageError,
        ImageTooLargeError,
        ImageUndecodableError,
        ImgclsError,
        InvalidAnswerError,
        ProviderUnavailableError,
        SealBrokenError,
        TrustError,
        UnsafeGraphError,
    )
    from imgcls_core.images.decode import DecodeLimits
    from imgcls_core.images.preprocess import ImagePreprocessor
    from imgcls_core.inference.classifier import OnnxClassifier
    from imgcls_core.inference.runtime import Runtime

__all__ = [
    "ArtifactError",
    "ArtifactMetadata",
    "ClassInfo",
    "ClassProbability",
    "DecodeLimits",
    "GoldenCase",
    "GoldenMismatchError",
    "ImageError",
    "ImagePreprocessor",
    "ImageTooLargeError",
    "ImageUndecodableError",
    "ImgclsError",
    "InvalidAnswerError",
    "OnnxClassifier",
    "Parity",
    "Preprocessing",
    "ProviderUnavailableError",
    "ReferenceDistribution",
    "Runtime",
    "Seal",
    "SealBrokenError",
    "Source",
    "TrustError",
    "UnsafeGraphError",
    "check_seal",
    "sign_artifact",
]

_HOME = {
    "ArtifactMetadata": "imgcls_core.artifact",
    "ClassInfo": "imgcls_core.artifact",
    "ClassProbability": "imgcls_contract",
    "DecodeLimits": "imgcls_core.images.decode",
    "GoldenCase": "imgcls_core.artifact",
    "ImagePreprocessor": "imgcls_core.images.preprocess",
    "OnnxClassifier": "imgcls_core.inference.classifier",
    "Parity": "imgcls_core.artifact",
    "Preprocessing": "imgcls_core.artifact",
    "ReferenceDistribution": "imgcls_core.artifact",
    "Runtime": "imgcls_core.inference.runtime",
    "Seal": "imgcls_core.artifact.seal",
    "Source": "imgcls_core.artifact",
    "check_seal": "imgcls_core.artifact.seal",
    "sign_artifact": "imgcls_core.artifact.signature",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - module __getattr__ returns whatever the name stands for
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME.get(name, "imgcls_core.errors")), name)
