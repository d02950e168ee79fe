"""The metadata inside an artifact: its schema, how it is read from and written to `metadata_props`.

Every value is JSON under a key `imgcls.*`. Reading checks all of it; nothing here opens a file or runs a model.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from imgcls_contract import Accuracy, Counterfactual
from imgcls_contract.classification import decoder_of
from msgspec import Meta, Struct

from imgcls_core.artifact.preprocessing import Preprocessing
from imgcls_core.errors import ArtifactMetadataError, ArtifactSchemaError

SCHEMA: Final = 2
# Of everything that readers of before can do as it is meant: they refuse the rest.
_FIRST_SCHEMA: Final = 1
KEY_PREFIX: Final = "imgcls."
INPUT_NAME: Final = "images"
OUTPUT_NAME: Final = "probabilities"
# What the preprocessing ends in and the network begins with.
NETWORK_INPUT: Final = "network_input"
MAX_GOLDEN_CASES: Final = 16
MAX_GOLDEN_BYTES: Final = 2_000_000
MAX_COUNTERFACTUALS: Final = 64

Precision = Literal["fp32", "fp16", "int8"]

# How far a provider may be from PyTorch on a golden case. Wider than the converter's own gate, because other
# processors add in another order; fp16 and int8 as measured on ImageNet networks.
GOLDEN_TOLERANCE: Final[Mapping[Precision, float]] = {"fp32": 1e-4, "fp16": 0.05, "int8": 0.3}

_T = TypeVar("_T")
_Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
_ClassId = Annotated[int, Meta(ge=0)]
_Text = Annotated[str, Meta(min_length=1)]
_Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class ClassInfo(Struct, frozen=True, omit_defaults=True):
    """One class: its id is its place in the output, `wnid` the WordNet id where there is one."""

    id: _ClassId
    label: _Text
    wnid: str | None = None


class Source(Struct, frozen=True):
    """Where the artifact comes from; `weights_sha256` is the hash of the checkpoint file.

    `terms` are those under which the weights may be used, and None where nobody has said any. `yardstick` is the file
    that the answers were compared with, by ONNX Runtime; None where they were PyTorch's.
    """

    architecture: _Text
    weights_sha256: _Sha256 | None
    precision: Precision
    torch: str
    torchvision: str
    onnx: str
    onnxruntime: str
    imgcls_convert: str
    weights: str | None = None
    terms: str | None = None
    yardstick: str | None = None


class Parity(Struct, frozen=True, omit_defaults=True):
    """What the converter measured against PyTorch before it wrote the file.

    `golden_cases` is how many golden cases it recorded; None in files of before.
    """

    images: Annotated[int, Meta(ge=1)]
    max_abs_diff: Annotated[float, Meta(ge=0)]
    top1_agreement: _Probability
    tolerance: Annotated[float, Meta(ge=0)]
    golden_cases: Annotated[int, Meta(ge=0)] | None = None


class GoldenAnswer(Struct, frozen=True):
    """One of PyTorch's five most probable classes."""

    class_id: _ClassId
    probability: _Probability


class GoldenCase(Struct, frozen=True, omit_defaults=True):
    """An encoded image and what PyTorch says of it.

    Args:
        name: of the image.
        image_base64: the encoded image.
        top: PyTorch's five most probable classes, best first.
        expected_class_id: the human label, where there is one.
        vector_base64: PyTorch's whole answer, float32 little endian in the order of the classes, where it is kept.
        counterfactuals: what PyTorch would answer under each fault that changes the answer.
    """

    name: _Text
    image_base64: _Text
    top: Annotated[tuple[GoldenAnswer, ...], Meta(min_length=1, max_length=5)]
    expected_class_id: _ClassId | None = None
    vector_base64: str | None = None
    counterfactuals: Annotated[tuple[Counterfactual, ...], Meta(max_length=MAX_COUNTERFACTUALS)] = ()

    @property
    def vector(self) -> bytes | None:
        """Gives the bytes of the whole answer.

        Raises:
            ValueError: they are not base64.
        """
        return None if self.vector_base64 is None else base64.b64decode(self.vector_base64, validate=True)


_Shares = tuple[_Probability, ...]

REFERENCE_BINS: Final = 20  # of its two histograms, equally wide


class ReferenceDistribution(Struct, frozen=True):
    """How the model answers images of the kind it was made for; live traffic is compared with it.

    Args:
        images: how many images it was measured on.
        class_shares: share of the images that got each class as their first answer, by class id.
        confidence_shares: histogram of the first answer's probability in bins from 0 to 1.
        entropy_shares: the same of the answer's entropy over its maximum, 0 (certain) to 1 (every class alike).
    """

    images: Annotated[int, Meta(ge=1)]
    class_shares: _Shares
    confidence_shares: _Shares
    entropy_shares: _Shares

    def __post_init__(self) -> None:
        for name in ("class_shares", "confidence_shares", "entropy_shares"):
            if abs((total := sum(getattr(self, name))) - 1) > 1e-3:
                raise ValueError(f"{name} of the reference distribution must sum to 1, found {total:g}")
        if {len(self.confidence_shares), len(self.entropy_shares)} != {REFERENCE_BINS}:
            raise ValueError(f"the histograms of the reference distribution must have {REFERENCE_BINS} bins")


class ArtifactMetadata(Struct, frozen=True):
    """Everything an artifact says of itself; `reference` and `accuracy` are None where nobody has measured them."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    classes: Annotated[tuple[ClassInfo, ...], Meta(min_length=1)]
    preprocessing: Preprocessing
    source: Source
    parity: Parity | None
    golden: Annotated[tuple[GoldenCase, ...], Meta(max_length=MAX_GOLDEN_CASES)]
    reference: ReferenceDistribution | None = None
    accuracy: Accuracy | None = None

    def __post_init__(self) -> None:
        ids = [entry.id for entry in self.classes]
        if ids != list(range(len(ids))):
            raise ValueError("classes must be numbered 0, 1, 2, … in order")
        if self.reference is not None and len(self.reference.class_shares) != len(ids):
            found = len(self.reference.class_shares)
            raise ValueError(f"the reference distribution has {found} classes, the model {len(ids)}")
        for case in self.golden:
            known = [answer.class_id for answer in case.top]
            known += [] if case.expected_class_id is None else [case.expected_class_id]
            known += [answer.class_id for one in case.counterfactuals for answer in one.top]
            if unknown := [class_id for class_id in known if not 0 <= class_id < len(ids)]:
                raise ValueError(f"golden case {case.name!r} names class {unknown[0]}, beyond the {len(ids)} classes")
            if case.vector is not None and len(case.vector) != 4 * len(ids):
                raise ValueError(f"the whole answer of golden case {case.name!r} is not one of {len(ids)} classes")
        if (size := sum(len(case.image_base64) * 3 // 4 for case in self.golden)) > MAX_GOLDEN_BYTES:
            raise ValueError(f"the golden images hold {size:,} bytes; at most {MAX_GOLDEN_BYTES:,} are allowed")
        if self.parity and len(self.golden) < (recorded := self.parity.golden_cases or 0):
            raise ValueError(f"golden cases are missing: {recorded} were recorded, found {len(self.golden)}")

    @property
    def schema(self) -> int:
        """The schema that a reader must know: 2 where large JPEGs are decoded at a reduced scale, else 1."""
        return _FIRST_SCHEMA if self.preprocessing.decode == "exact" else SCHEMA

    @property
    def golden_tolerance(self) -> float:
        """Largest |Δp| against PyTorch that a golden case may show on any provider."""
        return GOLDEN_TOLERANCE[self.source.precision]

    def to_props(self) -> dict[str, str]:
        """Gives the metadata as `metadata_props`: key → JSON text."""
        values = {name: getattr(self, name) for name in _FIELDS} | {"schema": self.schema}
        return {
            f"{KEY_PREFIX}{name}": msgspec.json.encode(value).decode()
            for name, value in values.items()
            if value is not None or name not in _OPTIONAL
        }

    @classmethod
    def from_props(cls, props: Mapping[str, str], *, path: str) -> ArtifactMetadata:
        """Reads and checks the metadata.

        Args:
            props: the model's `metadata_props`; keys outside `imgcls.` are ignored.
            path: the file, for the error text.

        Returns:
            The metadata, every field checked.

        Raises:
            ArtifactMetadataError: a key is missing, is not JSON or has a wrong value; the error names it.
            ArtifactSchemaError: the schema is not the one that this version reads.
        """
        raw = {key.removeprefix(KEY_PREFIX): text for key, text in props.items() if key.startswith(KEY_PREFIX)}
        if not raw:
            raise ArtifactMetadataError(path, "it carries no imgcls.* metadata")
        schema = _value(raw, "schema", int, path)
        if not _FIRST_SCHEMA <= schema <= SCHEMA:
            raise ArtifactSchemaError(path, actual=schema, supported=SCHEMA)
        present = [name for name in _FIELDS if name in raw or name not in _OPTIONAL]
        fields = {name: _value(raw, name, object, path) for name in present}
        try:
            decoder_of(cls)  # known before another thread loads an artifact
            found = msgspec.convert(fields, cls)
        except msgspec.ValidationError as error:
            raise ArtifactMetadataError(path, f"its metadata is wrong: {error}") from error
        if found.schema > schema:
            raise ArtifactMetadataError(
                path, f"it says schema {schema}, and what it says of decoding belongs to schema {found.schema}"
            )
        return found


_FIELDS: Final = ArtifactMetadata.__struct_fields__
# Came later than the others: files without it are as good as before.
_OPTIONAL: Final = frozenset({"reference", "accuracy"})


def _value(raw: Mapping[str, str], name: str, kind: type[_T], path: str) -> _T:
    if name not in raw:
        raise ArtifactMetadataError(path, f"its metadata lacks {KEY_PREFIX}{name}")
    try:
        found: _T = decoder_of(kind).decode(raw[name])
    except msgspec.DecodeError as error:
        raise ArtifactMetadataError(path, f"its metadata {KEY_PREFIX}{name} is not what it must be: {error}") from error
    return found
