"""Whoever names a file that exists hears what it is, by its content, and which tool makes ONNX of it."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import pytest
from imgcls_testing.commands import RunCli


def zipped(**entries: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in entries.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), text)
    return content.getvalue()


def message(*fields: tuple[int, bytes | int]) -> bytes:
    """A protobuf message of short fields."""
    content = b""
    for number, value in fields:
        tag = number << 3 | (2 if isinstance(value, bytes) else 0)
        content += bytes([tag & 0x7F | 0x80, tag >> 7]) if tag > 127 else bytes([tag])
        content += bytes([value]) if isinstance(value, int) else bytes([len(value)]) + value
    return content


FILES: dict[str, tuple[str, bytes, list[str]]] = {
    "Keras, HDF5": ("model.h5", b"\x89HDF\r\n\x1a\n" + bytes(64), ["a Keras model", "tf2onnx.convert --keras"]),
    "Keras, HDF5 named otherwise": ("model.pt", b"\x89HDF\r\n\x1a\n" + bytes(64), ["a Keras model"]),
    "Keras 3": (
        "model.keras",
        zipped(metadata_dot_json="{}", config_dot_json="{}", model_dot_weights_dot_h5=""),
        ["a Keras model", 'format="onnx"'],
    ),
    "TensorFlow Lite": ("model.tflite", b"\x1c\0\0\0TFL3" + bytes(64), ["TensorFlow Lite", "--tflite"]),
    "TensorFlow Lite without suffix": ("model", b"\x1c\0\0\0TFL3" + bytes(64), ["TensorFlow Lite"]),
    "SavedModel's file": ("saved_model.pb", message((1, 1), (2, b"graph")), ["SavedModel", "--saved-model"]),
    "frozen graph": ("frozen.pb", message((1, b"\x0a\x05input\x12\x0bPlaceholder")), ["--graphdef"]),
    "Core ML": ("model.mlmodel", message((1, 5), (2, b"x"), (500, b"layers")), ["Core ML", "convert_coreml"]),
    "Core ML named .onnx": ("model.onnx", message((1, 5), (2, b"x"), (500, b"layers")), ["Core ML"]),
    "Core ML package, zipped": (
        "m.zip", zipped(**{"m.mlpackage__Data__com.apple.CoreML__model.mlmodel": ""}), ["Core ML package"],
    ),
    "TensorRT": ("model.engine", b"ftrt" + bytes(64), ["TensorRT engine", "trtexec"]),
    "OpenVINO": ("model.xml", b'<?xml version="1.0"?>\n<net name="m" version="11">', ["OpenVINO model", "ovc"]),
    "PaddlePaddle": ("inference.pdmodel", message((1, b"block")), ["PaddlePaddle", "paddle2onnx --model_dir"]),
    "GGUF": ("model.gguf", b"GGUF\x03\0\0\0" + bytes(64), ["GGUF"]),
    "ONNX Runtime": ("model.ort", b"\x18\0\0\0ORTM" + bytes(64), ["ONNX Runtime's own format"]),
    "TensorFlow.js": ("model.json", json.dumps({"modelTopology": {}}).encode(), ["TensorFlow.js", "--tfjs"]),
    "pickle": ("model.pkl", pickle.dumps({"a": 1}), ["a pickle, which imgcls does not run"]),
    "tar": ("model.tar.gz", b"\x1f\x8b\x08" + bytes(64), ["torch-model-archiver"]),
    "safetensors": (
        "net.safetensors", struct.pack("<Q", 2) + b"{}", ["a file of weights", "imgcls-convert MODEL --weights"],
    ),
    "text": ("notes.txt", b"hello", ["a file of 5 bytes", "MODEL may be an .onnx, TorchScript"]),
    "nothing": ("empty", b"", ["a file of 0 bytes"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_a_file_of_another_tool_is_refused_by_what_it_is(run_cli: RunCli, tmp_path: Path, kind: str) -> None:
    name, content, parts = FILES[kind]
    file = tmp_path / name
    file.write_bytes(content)
    refused = run_cli(file)
    assert refused.code == 2, refused.err
    assert all(part in refused.sentence for part in parts), refused.err
    assert "There is no model" not in refused.err


def test_folders_of_other_tools_are_refused_too(run_cli: RunCli, tmp_path: Path) -> None:
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported/saved_model.pb").write_bytes(message((1, 1), (2, b"graph")))
    (tmp_path / "m.mlpackage/Data/com.apple.CoreML").mkdir(parents=True)
    refused = run_cli(tmp_path / "exported")
    assert (refused.code, f"--saved-model {tmp_path}/exported" in refused.sentence) == (2, True)
    refused = run_cli(tmp_path / "m.mlpackage")
    assert (refused.code, "a Core ML package" in refused.sentence) == (2, True)


def test_a_file_that_is_not_there_is_said_to_be_missing(run_cli: RunCli, tmp_path: Path) -> None:
    for name in ("classifier.onnx", "classifier.pt"):
        refused = run_cli(tmp_path / name)
        assert (refused.code, f"There is no file '{tmp_path}/{name}'" in refused.sentence) == (2, True)
