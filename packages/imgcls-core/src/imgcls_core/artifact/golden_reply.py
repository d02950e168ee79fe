"""The golden cases of an artifact as `GET /golden` gives them."""

from __future__ import annotations

from imgcls_contract import ClassProbability, GoldenCaseReply, GoldenReply, ModelId

from imgcls_core.artifact.metadata import ArtifactMetadata


def golden_reply(metadata: ArtifactMetadata, model: ModelId) -> GoldenReply:
    """Gives the reply for an artifact under the name by which it is asked for."""
    labels = [each.label for each in metadata.classes]
    cases = [
        GoldenCaseReply(
            name=case.name,
            image_base64=case.image_base64,
            top=[ClassProbability(one.class_id, labels[one.class_id], one.probability) for one in case.top],
            expected_class_id=case.expected_class_id,
            vector_base64=case.vector_base64,
            counterfactuals=case.counterfactuals,
        )
        for case in metadata.golden
    ]
    return GoldenReply(model, metadata.source.precision, metadata.golden_tolerance, cases)
