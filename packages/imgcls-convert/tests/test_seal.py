"""What was edited after its conversion is told by `verify` and `inspect`, each by its part."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from imgcls_core.artifact.props import read_parts, with_props

if TYPE_CHECKING:
    from conftest import Converted
    from imgcls_testing.commands import RunCli

Edit = Callable[[bytes, dict[str, str]], bytes]


def _value(key: str, change: Callable[[Any], Any]) -> Edit:
    def edit(content: bytes, props: dict[str, str]) -> bytes:
        name = f"imgcls.{key}"
        return with_props(content, {**props, name: json.dumps(change(json.loads(props[name])))})

    return edit


def _labels_shifted(classes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    labels = [one["label"] for one in classes]
    return [{**one, "label": label} for one, label in zip(classes, labels[1:] + labels[:1], strict=True)]


def _rows_exchanged(content: bytes, _props: dict[str, str]) -> bytes:
    model = onnx.load_from_string(content)
    weight = next(tensor for tensor in model.graph.initializer if tensor.name.endswith("nearest.weight"))
    rows = onnx.numpy_helper.to_array(weight)
    axis = rows.shape.index(8)
    order = [1, 0, *range(2, 8)]
    weight.CopyFrom(onnx.numpy_helper.from_array(np.take(rows, order, axis=axis), weight.name))
    return model.SerializeToString()


def _key_added(content: bytes, props: dict[str, str]) -> bytes:
    return with_props(content, {**props, "imgcls.note": '"hello"'})


def _key_twice(content: bytes, props: dict[str, str]) -> bytes:
    again = with_props(b"", {"imgcls.name": props["imgcls.name"]})
    return content + again


def _cut_off(content: bytes, _props: dict[str, str]) -> bytes:
    return content[: len(content) // 2]


EDITS: dict[str, tuple[Edit, int, str]] = {
    "labels shifted by one": (_value("classes", _labels_shifted), 1, "changed: the labels"),
    "two rows of the classifier exchanged": (_rows_exchanged, 1, "changed: the graph and its weights"),
    "golden emptied": (_value("golden", lambda _: []), 1, "changed: the golden cases"),
    "int8 claimed": (_value("source", lambda s: {**s, "precision": "int8"}), 1, "precision (source)"),
    "unknown key added": (_key_added, 1, "added: 'imgcls.note'"),
    "key twice": (_key_twice, 2, "has imgcls.name twice"),
    "cut off": (_cut_off, 2, "it is not ONNX, or is cut off"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_artifact_is_refused_by_name(run_cli: RunCli, colours: Converted, tmp_path: Path, name: str) -> None:
    edit, code, said = EDITS[name]
    path = tmp_path / "edited.onnx"
    path.write_bytes(edit(colours.path.read_bytes(), dict(read_parts(colours.path).props)))
    for command in ("verify", "inspect"):
        told = run_cli(command, path)
        assert told.code == (code if command == "verify" else 2), command
        assert said in told.err
        assert len(told.err.strip().splitlines()) == 1


def test_an_artifact_of_before_is_verified_and_called_unsealed(
    run_cli: RunCli, colours: Converted, tmp_path: Path
) -> None:
    props = {key: value for key, value in read_parts(colours.path).props.items() if key != "imgcls.seal"}
    path = tmp_path / "before.onnx"
    path.write_bytes(with_props(colours.path.read_bytes(), props))
    verified = run_cli("verify", path)
    assert (verified.code, "unsealed" in verified.out) == (0, True)
    assert "none (written before artifacts had seals)" in run_cli("inspect", path).out
