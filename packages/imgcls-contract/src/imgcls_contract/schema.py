"""The JSON schemas of all replies, for an OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from imgcls_contract.batch import BatchReply, FailedImage
from imgcls_contract.classification import ImageAnswer, Prediction
from imgcls_contract.drift import ModelDriftReply
from imgcls_contract.golden import GoldenReply
from imgcls_contract.models import ModelsReply
from imgcls_contract.problems import ProblemDocument
from imgcls_contract.state import HealthReply, ReadyReply

# What a route answers, and the two that `BatchReply` names by reference.
REPLIES: Final = (
    Prediction,
    BatchReply,
    ImageAnswer,
    FailedImage,
    ModelsReply,
    GoldenReply,
    HealthReply,
    ReadyReply,
    ModelDriftReply,
    ProblemDocument,
)


def schema_components() -> dict[str, Any]:
    """Gives OpenAPI's `components.schemas`: the schema of every reply and of what replies are made of, by name."""
    _, components = msgspec.json.schema_components(REPLIES, ref_template="#/components/schemas/{name}")
    return components
