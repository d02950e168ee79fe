from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from imgcls_contract import Counterfactual, FaultyAnswer
from imgcls_core import ArtifactError, ArtifactMetadata, GoldenCase, OnnxClassifier
from imgcls_core.artifact.props import read_parts, with_props
from imgcls_core.artifact.seal import Seal, check_seal, sealed_artifact
from imgcls_core.artifact.signature import PublicKey, read_public_key, sign_artifact
from imgcls_core.errors import (
    ArtifactMetadataError,
    ArtifactUnreadableError,
    GoldenMismatchError,
    InvalidAnswerError,
    SealBrokenError,
    TrustError,
)
from msgspec import structs

Write = Callable[[bytes], Path]
Change = Callable[[onnx.ModelProto], None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(content: bytes) -> Path:
        path = tmp_path / "a.onnx"
        path.write_bytes(content)
        return path

    return to_file


@pytest.fixture(scope="session")
def unsealed(colours_path: Path) -> bytes:
    props = {key: value for key, value in read_parts(colours_path).props.items() if key != "imgcls.seal"}
    return with_props(colours_path.read_bytes(), props)


@pytest.fixture(scope="session")
def sealed(colours: OnnxClassifier, colours_path: Path) -> bytes:
    return sealed_artifact(colours_path.read_bytes(), colours.metadata)


def _load(path: Path, **options: object) -> OnnxClassifier:
    return OnnxClassifier(path, provider="cpu", threads=1, **options)  # type: ignore[arg-type]


def _changed(content: bytes, change: Change) -> bytes:
    model = onnx.load_from_string(content)
    change(model)
    return model.SerializeToString()


def _entry(model: onnx.ModelProto, key: str) -> onnx.StringStringEntryProto:
    return next(entry for entry in model.metadata_props if entry.key == f"imgcls.{key}")


def _edit(key: str, change: Callable[[object], object]) -> Change:
    def edit(model: onnx.ModelProto) -> None:
        entry = _entry(model, key)
        entry.value = json.dumps(change(json.loads(entry.value)))

    return edit


def _shift_labels(classes: list[dict[str, object]]) -> list[dict[str, object]]:
    labels = [one["label"] for one in classes]
    return [{**one, "label": label} for one, label in zip(classes, [*labels[1:], labels[0]], strict=True)]


def _exchange_two_rows(model: onnx.ModelProto) -> None:
    tables = [one for one in model.graph.initializer if 8 in one.dims and one.data_type == onnx.TensorProto.FLOAT]
    table = max(tables, key=lambda one: len(one.dims))
    rows = onnx.numpy_helper.to_array(table).copy()
    axis = list(table.dims).index(8)
    rows[:] = np.take(rows, [1, 0, 2, 3, 4, 5, 6, 7], axis=axis)
    table.CopyFrom(onnx.numpy_helper.from_array(rows, table.name))


def _add_a_key(model: onnx.ModelProto) -> None:
    model.metadata_props.add(key="imgcls.note", value='"hello"')


def _take_golden_away(model: onnx.ModelProto) -> None:
    model.metadata_props.remove(_entry(model, "golden"))


def test_a_sealed_artifact_is_loaded_and_says_its_seal(sealed: bytes, write: Write, colours: OnnxClassifier) -> None:
    classifier = _load(write(sealed))
    assert classifier.seal is not None
    assert classifier.seal == check_seal(classifier.path)
    assert set(classifier.seal.parts) == {
        "graph", "schema", "name", "classes", "preprocessing", "source", "parity", "golden"
    }  # fmt: skip
    assert (classifier.metadata, classifier.signed_by) == (colours.metadata, ())
    classifier.check_golden()


def test_an_artifact_of_before_is_loaded_and_is_unsealed(unsealed: bytes, write: Write) -> None:
    assert _load(write(unsealed)).seal is None


def test_another_writer_may_order_the_metadata_as_it_likes(sealed: bytes, write: Write) -> None:
    props = read_parts(write(sealed)).props
    again = with_props(sealed, {**dict(reversed(props.items())), "author": "somebody"})
    assert check_seal(write(again)) == check_seal(write(sealed))
    assert check_seal(write(onnx.load_from_string(again).SerializeToString())) is not None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_edit("classes", _shift_labels), "changed: the labels"),  # type: ignore[arg-type]
        (_exchange_two_rows, "changed: the graph and its weights"),
        (_edit("golden", lambda _: []), "changed: the golden cases"),
        (_take_golden_away, "taken away: the golden cases"),
        (
            _edit("source", lambda s: {**s, "precision": "int8"}),
            r"changed: what it says of its origin and precision \(source\)",
        ),  # type: ignore[dict-item]
        (_edit("preprocessing", lambda p: {**p, "mean": [0, 0, 0]}), "changed: the preprocessing"),  # type: ignore[dict-item]
        (_add_a_key, "added: 'imgcls.note'"),
        (_edit("seal", lambda s: {**s, "seal": "0" * 64}), "changed: the seal itself"),  # type: ignore[dict-item]
        (_edit("seal", lambda _: 3), "damaged: the seal itself"),
    ],
)
def test_an_artifact_that_was_edited_is_refused_by_the_part_that_changed(
    sealed: bytes, write: Write, change: Change, named: str
) -> None:
    path = write(_changed(sealed, change))
    with pytest.raises(SealBrokenError, match=rf"was changed after it was sealed \(.*{named}") as refused:
        _load(path)
    assert str(refused.value).startswith(f"{str(path)!r}")
    assert "\n" not in str(refused.value)


def test_several_changes_are_named_together(sealed: bytes, write: Write) -> None:
    changed = _changed(_changed(sealed, _add_a_key), _exchange_two_rows)
    with pytest.raises(
        SealBrokenError, match=r"\(changed: the graph and its weights; added: 'imgcls\.note'\)\. Take the original"
    ):
        _load(write(changed))


def test_a_key_that_stands_twice_is_refused(sealed: bytes, unsealed: bytes, write: Write) -> None:
    for content in (sealed, unsealed):
        twice = content + _changed(b"", lambda model: model.metadata_props.add(key="imgcls.name", value='"b"') and None)
        with pytest.raises(ArtifactMetadataError, match=r"has imgcls\.name twice"):
            _load(write(twice))


def test_a_file_that_is_cut_off_is_refused(sealed: bytes, write: Write) -> None:
    for length in (0, 1, 100, len(sealed) // 2, len(sealed) - 1):
        with pytest.raises(ArtifactUnreadableError, match="not ONNX"):
            _load(write(sealed[:length]))


def test_no_byte_of_a_sealed_artifact_can_be_changed(sealed: bytes, write: Write) -> None:
    source = np.random.default_rng(11)
    for at in source.integers(len(sealed), size=150):
        damaged = bytearray(sealed)
        damaged[at] ^= 1 << int(source.integers(8))
        path = write(bytes(damaged))
        try:
            seal = check_seal(path)
        except ArtifactError:
            continue
        assert seal is None, at  # the key of the seal itself was hit: the file is an unsealed one now


# Signatures


@pytest.fixture(scope="session")
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def _pem(key: Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public(key: Ed25519PrivateKey) -> PublicKey:
    return PublicKey(key.public_key().public_bytes_raw())


def test_a_signed_artifact_is_loaded_where_its_key_is_trusted(
    sealed: bytes, write: Write, key: Ed25519PrivateKey
) -> None:
    other = Ed25519PrivateKey.generate()
    path = write(sign_artifact(sign_artifact(sealed, _pem(other), path="a"), _pem(key), path="a"))
    assert _load(path, trusted_keys=[_public(key)]).signed_by == (_public(key).key_id,)
    assert set(_load(path).signed_by) == {_public(key).key_id, _public(other).key_id}
    signatures = json.loads(read_parts(path).props["imgcls.signatures"])
    assert [one["algorithm"] for one in signatures] == ["ed25519", "ed25519"]
    assert sign_artifact(path.read_bytes(), _pem(key), path="a") == path.read_bytes()


def test_where_keys_are_trusted_nothing_else_is_loaded(
    sealed: bytes, unsealed: bytes, write: Write, key: Ed25519PrivateKey
) -> None:
    trusted = [_public(Ed25519PrivateKey.generate())]
    for content in (sealed, unsealed):
        with pytest.raises(TrustError, match=rf"is signed by nobody; .*{trusted[0].key_id}"):
            _load(write(content), trusted_keys=trusted)
    with pytest.raises(TrustError, match=f"is signed only by {_public(key).key_id}"):
        _load(write(sign_artifact(sealed, _pem(key), path="a")), trusted_keys=trusted)


def test_a_signature_of_another_artifact_does_not_fit(
    sealed: bytes, colours: OnnxClassifier, write: Write, key: Ed25519PrivateKey
) -> None:
    signatures = read_parts(write(sign_artifact(sealed, _pem(key), path="a"))).props["imgcls.signatures"]
    other = sealed_artifact(sealed, structs.replace(colours.metadata, name="other"))
    moved = write(with_props(other, {**read_parts(write(other)).props, "imgcls.signatures": signatures}))
    with pytest.raises(TrustError, match=r"does not fit: it is another artifact's"):
        _load(moved, trusted_keys=[_public(key)])
    assert _load(moved).signed_by == ()
    edited = write(_changed(sign_artifact(sealed, _pem(key), path="a"), _add_a_key))
    with pytest.raises(SealBrokenError):
        _load(edited, trusted_keys=[_public(key)])


def test_keys_are_read_from_text_and_from_files(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    raw = base64.b64encode(_public(key).raw).decode()
    pem = tmp_path / "key.pem"
    pem.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert read_public_key(raw) == read_public_key(str(pem)) == _public(key)
    pem.write_bytes(
        X25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    for text, named in {str(pem): "another kind", "nothing.pem": "neither a public key", "AAAA": "neither"}.items():
        with pytest.raises(TrustError, match=named):
            read_public_key(text)
    pem.write_text("no key")
    with pytest.raises(TrustError, match="holds no public key"):
        read_public_key(str(pem))


def test_what_cannot_be_signed_says_why(sealed: bytes, unsealed: bytes, key: Ed25519PrivateKey) -> None:
    with pytest.raises(TrustError, match="carries no seal to sign"):
        sign_artifact(unsealed, _pem(key), path="a.onnx")
    with pytest.raises(TrustError, match="private key cannot be read"):
        sign_artifact(sealed, b"no key", path="a.onnx")
    with pytest.raises(TrustError, match="another kind"):
        sign_artifact(sealed, _pem(X25519PrivateKey.generate()), path="a.onnx")


# What a seal cannot show


def test_golden_cases_that_were_recorded_must_be_there(
    colours: OnnxClassifier, colours_path: Path, write: Write
) -> None:
    parity = colours.metadata.parity
    assert parity is not None
    recorded = structs.replace(parity, golden_cases=len(colours.metadata.golden))
    whole = structs.replace(colours.metadata, parity=recorded)
    assert _load(write(sealed_artifact(colours_path.read_bytes(), whole))).metadata == whole
    props = whole.to_props() | {"imgcls.golden": "[]"}
    with pytest.raises(ArtifactMetadataError, match=f"golden cases are missing: {recorded.golden_cases} were recorded"):
        ArtifactMetadata.from_props(props, path="a.onnx")


class _Answers:
    """A runtime that answers as it is told."""

    provider, provider_reason, classes = "cpu", "asked for", 8

    def __init__(self, answer: Callable[[np.ndarray], list[float]]) -> None:
        self._answer = answer

    def run(self, images: np.ndarray) -> np.ndarray:
        return np.array([self._answer(image) for image in images], np.float32)


@pytest.mark.parametrize("has_golden", [True, False])
@pytest.mark.parametrize(
    ("row", "named"),
    [([float("nan")] * 8, "not finite"), ([1.0] * 8, "sum to 8"), ([2.0, -1.0] + [0.0] * 6, "from -1 that sum to 1")],
)
def test_answers_that_are_no_probabilities_are_refused(
    colours: OnnxClassifier, colours_path: Path, write: Write, row: list[float], named: str, has_golden: bool
) -> None:
    metadata = colours.metadata if has_golden else structs.replace(colours.metadata, golden=(), parity=None)
    path = write(sealed_artifact(colours_path.read_bytes(), metadata))
    with pytest.raises(InvalidAnswerError, match=named):
        _load(path, runtime=_Answers(lambda _: row)).check_golden()


def test_answers_that_are_no_probabilities_are_explained(
    colours: OnnxClassifier, colours_path: Path, write: Write
) -> None:
    logits = Counterfactual("logits", (FaultyAnswer(0, 5.0), FaultyAnswer(1, -3.0)))
    golden = tuple(structs.replace(case, counterfactuals=(logits,)) for case in colours.metadata.golden)
    path = write(sealed_artifact(colours_path.read_bytes(), structs.replace(colours.metadata, golden=golden)))
    with pytest.raises(InvalidAnswerError, match="answers are those of: logits instead of probabilities"):
        _load(path, runtime=_Answers(lambda _: [5.0, -3.0] + [0.0] * 6)).check_golden()


def test_a_whole_vector_shows_what_the_five_best_classes_hide(
    colours: OnnxClassifier, colours_path: Path, write: Write
) -> None:
    results = colours.replay_golden()
    golden = [
        structs.replace(case, vector_base64=base64.b64encode(result.answer.astype("<f4").tobytes()).decode())
        for case, result in zip(colours.metadata.golden, results, strict=True)
    ]
    path = write(sealed_artifact(colours_path.read_bytes(), structs.replace(colours.metadata, golden=tuple(golden))))
    _load(path).check_golden()

    def exchanged(image: np.ndarray) -> list[float]:
        row = colours.predict(image)[0]
        last, before = np.argsort(row)[:2]
        row[[last, before]] = row[[before, last]] + np.float32([0.001, 0.0])
        return row.tolist()

    _load(path, runtime=_Answers(exchanged))
    with pytest.raises(GoldenMismatchError, match="differs from its recorded answer"):
        _load(path, runtime=_Answers(exchanged)).check_golden()
    short = structs.replace(golden[0], vector_base64="AAAA")
    with pytest.raises(ArtifactMetadataError, match=r"whole answer of golden case .* is not one of 8 classes"):
        ArtifactMetadata.from_props(_with_golden(colours, short), path="a.onnx")


def test_a_mismatch_names_the_fault_that_explains_it(colours: OnnxClassifier, colours_path: Path, write: Write) -> None:
    preprocess = _images_of(colours)
    golden = [
        structs.replace(
            case,
            counterfactuals=(
                Counterfactual("channels_exchanged", _five_best(colours.predict(image[..., ::-1].copy())[0])),
                Counterfactual("upside_down", (FaultyAnswer(0, 0.5), FaultyAnswer(1, 0.3))),
            ),
        )
        for case, image in zip(colours.metadata.golden, preprocess, strict=True)
    ]
    path = write(sealed_artifact(colours_path.read_bytes(), structs.replace(colours.metadata, golden=tuple(golden))))
    swapped = _load(path, runtime=_Answers(lambda image: colours.predict(image[..., ::-1].copy())[0].tolist()))
    with pytest.raises(GoldenMismatchError, match=r"\d+ of \d+ answers are those of: red and blue exchanged\. Serve"):
        swapped.check_golden()
    unknown = _load(path, runtime=_Answers(lambda _: [0.25, 0.75] + [0.0] * 6))
    with pytest.raises(GoldenMismatchError) as refused:
        unknown.check_golden()
    assert refused.value.explanation is None


def _images_of(classifier: OnnxClassifier) -> list[np.ndarray]:
    from imgcls_core import ImagePreprocessor
    from imgcls_core.inference.golden import golden_image

    preprocess = ImagePreprocessor(classifier.metadata.preprocessing)
    return [preprocess(golden_image(case)) for case in classifier.metadata.golden]


def _five_best(row: np.ndarray) -> tuple[FaultyAnswer, ...]:
    return tuple(FaultyAnswer(int(i), float(row[i])) for i in np.argsort(-row)[:5])


@pytest.mark.parametrize("class_id", [-1, 8])
def test_a_counterfactual_of_an_unknown_class_is_refused(colours: OnnxClassifier, class_id: int) -> None:
    wrong = Counterfactual("logits", (FaultyAnswer(class_id, 12.5),))
    case = structs.replace(colours.metadata.golden[0], counterfactuals=(wrong,))
    with pytest.raises(ArtifactMetadataError, match=f"names class {class_id}, beyond the 8 classes"):
        ArtifactMetadata.from_props(_with_golden(colours, case), path="a.onnx")


def _with_golden(classifier: OnnxClassifier, case: GoldenCase) -> Mapping[str, str]:
    return classifier.metadata.to_props() | {"imgcls.golden": msgspec.json.encode([case]).decode()}


def test_the_seal_is_what_its_definition_says(sealed: bytes, write: Write) -> None:
    seal = check_seal(write(sealed))
    assert isinstance(seal, Seal)
    lines = "".join(f"{name} {seal.parts[name]}\n" for name in sorted(seal.parts))
    assert seal.seal == hashlib.sha256(lines.encode()).hexdigest()
