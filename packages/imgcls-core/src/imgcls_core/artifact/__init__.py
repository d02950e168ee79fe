"""What an artifact is and says of itself; opens no model and imports nothing of core but its errors."""

from __future__ import annotations

from imgcls_core.artifact.metadata import (
    GOLDEN_TOLERANCE,
    INPUT_NAME,
    MAX_GOLDEN_BYTES,
    MAX_GOLDEN_CASES,
    NETWORK_INPUT,
    OUTPUT_NAME,
    REFERENCE_BINS,
    SCHEMA,
    ArtifactMetadata,
    ClassInfo,
    GoldenAnswer,
    GoldenCase,
    Parity,
    Precision,
    ReferenceDistribution,
    Source,
)
from imgcls_core.artifact.preprocessing import Channels, Crop, Decode, Interpolation, PixelRange, Preprocessing

__all__ = [
    "GOLDEN_TOLERANCE",
    "INPUT_NAME",
    "MAX_GOLDEN_BYTES",
    "MAX_GOLDEN_CASES",
    "NETWORK_INPUT",
    "OUTPUT_NAME",
    "REFERENCE_BINS",
    "SCHEMA",
    "ArtifactMetadata",
    "Channels",
    "ClassInfo",
    "Crop",
    "Decode",
    "GoldenAnswer",
    "GoldenCase",
    "Interpolation",
    "Parity",
    "PixelRange",
    "Precision",
    "Preprocessing",
    "ReferenceDistribution",
    "Source",
]
