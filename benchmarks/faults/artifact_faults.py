"""Artifacts that were edited, with their seal as it was or made anew, and another model in their place."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import onnx
from imgcls_core.artifact.metadata import ArtifactMetadata, GoldenAnswer, GoldenCase
from imgcls_core.artifact.props import parts_of, read_parts, with_props
from imgcls_core.artifact.seal import SEAL_KEY, SIGNATURES_KEY, sealed_artifact
from imgcls_core.artifact.wire import encode_field
from imgcls_core.images.preprocess import ImagePreprocessor
from imgcls_core.inference.classifier import OnnxClassifier
from imgcls_core.inference.golden import golden_image
from onnx import ModelProto, helper, numpy_helper

replace = msgspec.structs.replace


class Artifact:
    """A sound artifact that is edited.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.content = path.read_bytes()
        self.props = dict(read_parts(path).props)
        self.metadata = ArtifactMetadata.from_props(self.props, path=str(path))

    def model(self) -> ModelProto:
        """Gives the graph, to be edited."""
        return onnx.load_model_from_string(self.content)

    def with_props(self, **changed: str) -> bytes:
        """Gives the file with other metadata, its seal as it was."""
        return with_props(self.content, self.props | {f"imgcls.{name}": value for name, value in changed.items()})

    def edited(self, change: Callable[[ModelProto], None]) -> bytes:
        """Gives the file with another graph, its seal as it was."""
        model = self.model()
        change(model)
        return model.SerializeToString(deterministic=True)

    def resealed(self, change: Callable[[ModelProto], None] | None = None, **metadata: object) -> bytes:
        """Gives the file with another graph or metadata and a seal that fits."""
        graph = self.content if change is None else self.edited(change)
        return sealed_artifact(graph, replace(self.metadata, **metadata))

    def resealed_text(self, **changed: str) -> bytes:
        """Gives the file with other metadata, whatever it says, and a seal made as docs/artifact-format.md tells."""
        props = self.props | {f"imgcls.{name}": value for name, value in changed.items()}
        parts = {
            key.removeprefix("imgcls."): hashlib.sha256(value.encode()).hexdigest()
            for key, value in props.items()
            if key.startswith("imgcls.") and key not in {SEAL_KEY, SIGNATURES_KEY}
        }
        parts["graph"] = parts_of(memoryview(self.content), path="").graph_sha256
        lines = "".join(f"{name} {parts[name]}\n" for name in sorted(parts))
        seal = {"algorithm": "sha256", "parts": parts, "seal": hashlib.sha256(lines.encode()).hexdigest()}
        return with_props(self.content, props | {SEAL_KEY: json.dumps(seal)})

    def labels(self, change: Callable[[list[str]], list[str]]) -> tuple:
        """Gives the classes with other labels."""
        labels = change([entry.label for entry in self.metadata.classes])
        return tuple(replace(one, label=label) for one, label in zip(self.metadata.classes, labels, strict=True))


def _weights(model: ModelProto, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    tensor = next(one for one in model.graph.initializer if one.name == name)
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor).copy()), name))


def _last(model: ModelProto, op: str) -> onnx.NodeProto:
    return next(node for node in reversed(model.graph.node) if node.op_type == op)


def _head(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[ModelProto], None]:
    """Changes weights [classes, features] and biases of the last linear layer."""

    def edit(model: ModelProto) -> None:
        for name in _last(model, "Gemm").input[1:]:
            _weights(model, name, change)

    return edit


def _first_conv(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[ModelProto], None]:
    def edit(model: ModelProto) -> None:
        _weights(model, next(node for node in model.graph.node if node.op_type == "Conv").input[1], change)

    return edit


def _normalising(divisor: float | None = None, mean: np.ndarray | None = None, std: np.ndarray | None = None):  # noqa: ANN202
    """Changes ÷255, mean or std: constants of the graph's first Div, Sub, Div."""

    def edit(model: ModelProto) -> None:
        start = next(at for at, node in enumerate(model.graph.node) if node.op_type == "Div")
        for node, value in zip(model.graph.node[start : start + 3], (divisor, mean, std), strict=True):
            if value is not None:
                _weights(
                    model, node.input[1], lambda old, new=value: np.broadcast_to(np.float32(new), old.shape).copy()
                )

    return edit


def _both(one: Callable[[ModelProto], None], other: Callable[[ModelProto], None]) -> Callable[[ModelProto], None]:
    def edit(model: ModelProto) -> None:
        one(model)
        other(model)

    return edit


def _after_softmax(op: str, **attributes: object) -> Callable[[ModelProto], None]:
    """Puts one more operation behind the probabilities."""

    def edit(model: ModelProto) -> None:
        (output,) = model.graph.output
        node = next(one for one in model.graph.node if output.name in one.output)
        node.output[list(node.output).index(output.name)] = "before"
        model.graph.node.append(helper.make_node(op, ["before"], [output.name], **attributes))

    return edit


def _logits(model: ModelProto) -> None:
    softmax = _last(model, "Softmax")
    softmax.op_type = "Identity"
    del softmax.attribute[:]


def _exchange(values: np.ndarray) -> np.ndarray:
    values[[0, 1]] = values[[1, 0]]
    return values


def _channels(weights: np.ndarray) -> np.ndarray:
    return weights[:, ::-1].copy()


def _noise(values: np.ndarray) -> np.ndarray:
    dice = np.random.default_rng(0)
    return (values * (1 + 0.05 * dice.standard_normal(values.shape))).astype(values.dtype)


def _nan(values: np.ndarray) -> np.ndarray:
    values.flat[0] = np.nan
    return values


def older_version(artifact: Artifact, folder: Path) -> bytes:
    """Gives a sound artifact of the same name whose weights are others: its golden cases are its own answers."""
    graph = artifact.edited(_head(_noise))
    bare = folder / "bare.onnx"
    bare.write_bytes(sealed_artifact(graph, replace(artifact.metadata, golden=(), parity=None)))
    classifier = OnnxClassifier(bare, provider="cpu")
    preprocessor = ImagePreprocessor(artifact.metadata.preprocessing)
    cases: list[GoldenCase] = []
    for case in artifact.metadata.golden:
        vector = classifier.predict(preprocessor(golden_image(case)))[0]
        top = tuple(GoldenAnswer(int(at), float(vector[at])) for at in np.argsort(-vector)[:5])
        kept = None if case.vector_base64 is None else base64.b64encode(vector.astype("<f4").tobytes()).decode()
        cases.append(replace(case, top=top, vector_base64=kept, counterfactuals=()))
    return sealed_artifact(graph, replace(artifact.metadata, golden=tuple(cases)))


def artifact_faults(a: Artifact) -> dict[str, tuple[Callable[[], bytes], str]]:
    """Gives name → (what makes the file, the counterfactual that names the fault at load, "" where there is none)."""
    meta = a.metadata
    parity = meta.parity
    mean, std = (np.reshape(values, (1, 3, 1, 1)) for values in (meta.preprocessing.mean, meta.preprocessing.std))

    def props(**parts: object) -> Callable[[], bytes]:
        changed = replace(meta, **parts).to_props()
        return lambda: a.with_props(**{key.removeprefix("imgcls."): value for key, value in changed.items()})

    shifted = a.labels(lambda labels: labels[1:] + labels[:1])
    wrong_golden = tuple(
        replace(one, top=two.top, vector_base64=two.vector_base64, counterfactuals=())
        for one, two in zip(meta.golden, meta.golden[1:] + meta.golden[:1], strict=True)
    )
    other_seal = parts_of(memoryview(a.resealed(name="other")), path="other").props[SEAL_KEY]
    edits: dict[str, tuple[Callable[[], bytes], str]] = {
        "edited: labels shifted": (props(classes=shifted), ""),
        "edited: one label": (props(classes=a.labels(lambda labels: ["something else", *labels[1:]])), ""),
        "edited: golden emptied": (lambda: a.with_props(golden="[]"), ""),
        "edited: golden answers": (props(golden=wrong_golden), ""),
        "edited: int8 claimed": (props(source=replace(meta.source, precision="int8")), ""),
        "edited: weights' hash": (props(source=replace(meta.source, weights_sha256="0" * 64)), ""),
        "edited: name": (props(name="another"), ""),
        "edited: mean in the card": (props(preprocessing=replace(meta.preprocessing, mean=(0.5, 0.5, 0.5))), ""),
        "edited: filter in the card": (props(preprocessing=replace(meta.preprocessing, interpolation="bicubic")), ""),
        "edited: unknown key": (lambda: a.with_props(surprise="1"), ""),
        "edited: a key twice": (
            lambda: a.content + encode_field(14, encode_field(1, b"imgcls.name") + encode_field(2, b'"other"')),
            "",
        ),
        "edited: two rows exchanged": (lambda: a.edited(_head(_exchange)), ""),
        "edited: one weight": (lambda: a.edited(_first_conv(lambda w: w + np.float32(1e-3))), ""),
        "edited: channels exchanged": (lambda: a.edited(_first_conv(_channels)), ""),
        "edited: cut off": (lambda: a.content[: len(a.content) // 2], ""),
        "edited: bytes appended": (lambda: a.content + b"\0\0\0\0", ""),
        "edited: producer": (lambda: a.edited(lambda model: setattr(model, "producer_name", "other")), ""),
        "edited: seal taken from another": (lambda: a.with_props(seal=other_seal), ""),
        "edited: seal taken away, int8 claimed": (
            lambda: with_props(
                a.content,
                {
                    key: value
                    for key, value in replace(meta, source=replace(meta.source, precision="int8")).to_props().items()
                    if key not in {SEAL_KEY, SIGNATURES_KEY}
                },
            ),
            "",
        ),
        "sealed anew: two rows exchanged": (lambda: a.resealed(_head(_exchange)), ""),
        "sealed anew: channels exchanged": (
            lambda: a.resealed(_both(_first_conv(_channels), _normalising(mean=mean[:, ::-1], std=std[:, ::-1]))),
            "channels_exchanged",
        ),
        "sealed anew: channels exchanged after mean and std": (lambda: a.resealed(_first_conv(_channels)), ""),
        "sealed anew: mean and std not applied": (
            lambda: a.resealed(_normalising(mean=np.zeros(1), std=np.ones(1))),
            "not_normalised",
        ),
        "sealed anew: mean and std of 0.5": (
            lambda: a.resealed(_normalising(mean=np.full(1, 0.5), std=np.full(1, 0.5))),
            "other_mean_std",
        ),
        "sealed anew: mean and std in the order B G R": (
            lambda: a.resealed(_normalising(mean=mean[:, ::-1], std=std[:, ::-1])),
            "",
        ),
        "sealed anew: ÷256": (lambda: a.resealed(_normalising(divisor=256.0)), "divided_by_256"),
        "sealed anew: not ÷255": (lambda: a.resealed(_normalising(divisor=1.0)), "not_scaled"),
        "sealed anew: softmax twice": (lambda: a.resealed(_after_softmax("Softmax", axis=-1)), "softmax_twice"),
        "sealed anew: logits": (lambda: a.resealed(_logits), "logits"),
        "sealed anew: not a number": (lambda: a.resealed(_head(_nan)), ""),
        "sealed anew: noise in the last layer": (lambda: a.resealed(_head(_noise)), ""),
        "sealed anew: golden emptied": (lambda: a.resealed_text(golden="[]"), ""),
        "sealed anew: golden emptied, not verified": (lambda: a.resealed(golden=(), parity=None), ""),
        "sealed anew: golden answers": (lambda: a.resealed(golden=wrong_golden), ""),
        "sealed anew: labels shifted": (lambda: a.resealed(classes=shifted), ""),
        "sealed anew: int8 claimed": (lambda: a.resealed(source=replace(meta.source, precision="int8")), ""),
    }
    if parity is not None:
        edits["edited: parity"] = (props(parity=replace(parity, max_abs_diff=0.0)), "")
        edits["edited: fewer golden cases"] = (
            props(golden=meta.golden[:1], parity=replace(parity, golden_cases=None)),
            "",
        )
    if meta.reference is not None:
        flat = (1.0, *(0.0 for _ in meta.classes[1:]))
        edits["edited: reference distribution"] = (props(reference=replace(meta.reference, class_shares=flat)), "")
    return edits
