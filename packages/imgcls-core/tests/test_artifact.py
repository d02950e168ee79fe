from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from imgcls_core import ArtifactError, ArtifactMetadata, OnnxClassifier, ReferenceDistribution
from imgcls_core.errors import ArtifactMetadataError, ArtifactSchemaError
from msgspec import structs


@pytest.fixture
def props(colours: OnnxClassifier) -> dict[str, str]:
    return colours.metadata.to_props()


def test_metadata_survives_a_round_trip(colours: OnnxClassifier, props: dict[str, str]) -> None:
    assert ArtifactMetadata.from_props(props, path="x.onnx") == colours.metadata


def test_every_value_is_json_under_an_imgcls_key(props: dict[str, str]) -> None:
    assert set(props) == {
        f"imgcls.{key}" for key in ("schema", "name", "classes", "preprocessing", "source", "parity", "golden")
    }
    for text in props.values():
        json.loads(text)


def test_keys_of_other_tools_are_ignored(colours: OnnxClassifier, props: dict[str, str]) -> None:
    assert ArtifactMetadata.from_props({**props, "author": "somebody"}, path="x.onnx") == colours.metadata


def test_a_model_without_metadata_is_refused_with_the_command_that_makes_one() -> None:
    with pytest.raises(ArtifactMetadataError, match=r"carries no imgcls.* metadata.*`imgcls-convert`"):
        ArtifactMetadata.from_props({"author": "somebody"}, path="x.onnx")


def test_a_newer_schema_is_refused_with_both_numbers(props: dict[str, str]) -> None:
    with pytest.raises(ArtifactSchemaError, match="schema 3; this imgcls-core reads schema 2"):
        ArtifactMetadata.from_props({**props, "imgcls.schema": "3"}, path="x.onnx")


def with_value(props: dict[str, str], key: str, change: Callable[[Any], Any]) -> dict[str, str]:
    content = json.loads(props[f"imgcls.{key}"])
    return {**props, f"imgcls.{key}": json.dumps(change(content))}


@pytest.mark.parametrize(
    ("key", "change", "named"),
    [
        ("classes", lambda c: c[1:], "numbered 0, 1, 2"),
        ("classes", lambda c: [{**c[0], "label": ""}, *c[1:]], r"\$.classes\[0\].label"),
        ("preprocessing", lambda p: {**p, "std": [0, 1, 1]}, "std"),
        ("preprocessing", lambda p: {**p, "interpolation": "no such filter"}, "no such filter"),
        ("source", lambda s: {**s, "precision": "fp64"}, "fp64"),
        ("golden", lambda g: [{**g[0], "expected_class_id": 99}], "names class 99, beyond the 8 classes"),
        ("golden", lambda g: g * 3, "golden"),
        ("golden", lambda g: [{**g[0], "image_base64": "A" * 3_000_000}], "at most 2,000,000"),
    ],
)
def test_a_wrong_value_is_named(props: dict[str, str], key: str, change: Callable[[Any], Any], named: str) -> None:
    with pytest.raises(ArtifactMetadataError, match=named):
        ArtifactMetadata.from_props(with_value(props, key, change), path="x.onnx")


@pytest.mark.parametrize("text", ["", "{", "nonsense", "1"])
def test_a_damaged_value_is_an_artifact_error(props: dict[str, str], text: str) -> None:
    for key in ("imgcls.classes", "imgcls.preprocessing", "imgcls.golden"):
        with pytest.raises(ArtifactError):
            ArtifactMetadata.from_props({**props, key: text}, path="x.onnx")


@pytest.fixture
def reference() -> ReferenceDistribution:
    """As evaluation measures it: eight classes, twenty bins."""
    return ReferenceDistribution(
        images=400,
        class_shares=(0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1),
        confidence_shares=(*[0.0] * 18, 0.25, 0.75),
        entropy_shares=(0.75, 0.25, *[0.0] * 18),
    )


def test_a_reference_distribution_survives_a_round_trip(
    colours: OnnxClassifier, reference: ReferenceDistribution
) -> None:
    metadata = structs.replace(colours.metadata, reference=reference)
    props = metadata.to_props()
    assert json.loads(props["imgcls.reference"])["images"] == 400
    assert ArtifactMetadata.from_props(props, path="x.onnx") == metadata


def test_an_artifact_without_a_reference_distribution_is_as_good_as_before(
    colours: OnnxClassifier, props: dict[str, str]
) -> None:
    assert "imgcls.reference" not in props
    assert ArtifactMetadata.from_props(props, path="x.onnx").reference is None


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("images", 0, r"`int` >= 1 - at `\$\.reference\.images`"),
        ("class_shares", [0.5, 0.5], "the reference distribution has 2 classes, the model 8"),
        ("class_shares", [0.2] * 8, r"class_shares of the reference distribution must sum to 1, found 1\.6"),
        ("class_shares", [-0.5, 1.5, *[0.0] * 6], r"\$\.reference\.class_shares\[0\]"),
        ("confidence_shares", [0.5, 0.5], "must have 20 bins"),
        ("confidence_shares", [0.0] * 20, r"confidence_shares of .* must sum to 1, found 0"),
        ("entropy_shares", [0.1] * 10, "must have 20 bins"),
        ("entropy_shares", [0.1] * 20, r"entropy_shares of .* must sum to 1, found 2"),
        ("entropy_shares", "wide", r"\$\.reference\.entropy_shares"),
    ],
)
def test_a_wrong_reference_distribution_is_refused_by_name(
    colours: OnnxClassifier, reference: ReferenceDistribution, name: str, value: Any, named: str
) -> None:
    props = structs.replace(colours.metadata, reference=reference).to_props()
    wrong = with_value(props, "reference", lambda content: {**content, name: value})
    with pytest.raises(ArtifactMetadataError, match=named) as refused:
        ArtifactMetadata.from_props(wrong, path="x.onnx")
    assert "reference" in str(refused.value)


def test_a_missing_key_is_named(props: dict[str, str]) -> None:
    del props["imgcls.parity"]
    with pytest.raises(ArtifactMetadataError, match=r"lacks imgcls\.parity"):
        ArtifactMetadata.from_props(props, path="x.onnx")
