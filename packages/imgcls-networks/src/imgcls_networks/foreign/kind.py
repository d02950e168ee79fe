"""What a file or folder is, by its content, and what makes ONNX of it where imgcls does not read it. Loads nothing."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from imgcls_core.artifact.wire import WireError, read_fields

from imgcls_networks.errors import RequestError

ONNX, ARCHIVE, CHECKPOINT, PROGRAM = "onnx", "torchserve", "checkpoint", "program"

# Kind → what it is, and what to do with it. {file} is the path as it was given.
_FOREIGN: Final[Mapping[str, tuple[str, str]]] = {
    "keras": (
        "a Keras model",
        'make ONNX of it with Keras 3, `keras.models.load_model("{file}").export("model.onnx", format="onnx")`, or '
        "with `python -m tf2onnx.convert --keras {file} --output model.onnx`",
    ),
    "tflite": (
        "a TensorFlow Lite model",
        "make ONNX of it: `python -m tf2onnx.convert --tflite {file} --output model.onnx`",
    ),
    "saved_model": (
        "a TensorFlow SavedModel",
        "make ONNX of it: `python -m tf2onnx.convert --saved-model {folder} --output model.onnx`",
    ),
    "graph_def": (
        "a frozen TensorFlow graph",
        "make ONNX of it: `python -m tf2onnx.convert --graphdef {file} --inputs NAME:0 --outputs NAME:0 "
        "--output model.onnx`",
    ),
    "tfjs": (
        "a TensorFlow.js model",
        "make ONNX of it: `python -m tf2onnx.convert --tfjs {file} --output model.onnx`",
    ),
    "coreml": (
        "a Core ML model",
        'make ONNX of it with onnxmltools, `onnxmltools.convert_coreml(coremltools.utils.load_spec("{file}"))`, or '
        "export the network that it was made from",
    ),
    "mlpackage": (
        "a Core ML package",
        "no tool makes ONNX of its ML program; export the network that it was made from, with `torch.onnx.export` or "
        "tf2onnx",
    ),
    "tensorrt": (
        "a TensorRT engine",
        "it fits one kind of GPU and cannot be turned back; give the ONNX file that `trtexec --onnx=FILE` made it from",
    ),
    "openvino": (
        "an OpenVINO model",
        "no tool makes ONNX of it; give the file that `ovc` made it from",
    ),
    "paddle": (
        "a PaddlePaddle model",
        "make ONNX of it: `paddle2onnx --model_dir {folder} --model_filename {name} --save_file model.onnx`",
    ),
    "caffe": ("a Caffe model", "make ONNX of it with caffe2onnx"),
    "mxnet": ("an MXNet model", "make ONNX of it with `mxnet.onnx.export_model`"),
    "ncnn": ("an ncnn model", "no tool makes ONNX of it; give the file that it was made from"),
    "gguf": ("a GGUF file, of llama.cpp and its kin", "no tool makes an ONNX classifier of it"),
    "onnx_data": ("ONNX Runtime's own format", "give the .onnx file that it was made from"),
    "numpy": ("an archive of NumPy arrays", "save them as .safetensors, and name the architecture as MODEL"),
    "tar": (
        "a compressed tar archive",
        "for TorchServe make a .mar of it (`torch-model-archiver --archive-format default`); else unpack it",
    ),
    "pickle": (
        "a pickle, which imgcls does not run",
        "for weights name the architecture, `imgcls-convert MODEL --weights {file}`; a model of scikit-learn or fastai "
        "must be exported to ONNX by its own tool",
    ),
}

_MAGIC: Final[tuple[tuple[int, bytes, str], ...]] = (
    (0, b"\x89HDF\r\n\x1a\n", "keras"),
    (4, b"TFL3", "tflite"),
    (0, b"ftrt", "tensorrt"),
    (0, b"GGUF", "gguf"),
    (4, b"ORTM", "onnx_data"),
    (0, b"\x1f\x8b", "tar"),
    (0, b"7767517\n", "ncnn"),
    (0, b"\x93NUMPY", "numpy"),
)
_HEAD_BYTES: Final = 4096
_MOST_FIELDS: Final = 10_000
# Field numbers at the top of the messages that such files are (onnx.proto, Model.proto of Core ML, caffe.proto).
_ONNX_GRAPH, _ONNX_VERSION, _COREML_MODELS, _CAFFE_LAYERS = 7, 1, range(200, 4000), {2, 100}


def kind_of(path: Path) -> str | None:
    """Says what a file or folder is: a kind of `_FOREIGN`, `ONNX`, `ARCHIVE`, `CHECKPOINT`, `PROGRAM`; else None.

    The content decides. The suffix does where formats have no mark of their own.
    """
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return "saved_model"
        return "mlpackage" if (path / "Data" / "com.apple.CoreML").is_dir() else None
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for place, magic, kind in _MAGIC:
        if head[place : place + len(magic)] == magic:
            return kind
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(path)
    if head[:1] == b"\x80" and head[1:2] in {b"\x02", b"\x03", b"\x04", b"\x05"}:
        return CHECKPOINT if path.suffix in {".pt", ".pth", ".tar", ".ckpt", ".bin"} else "pickle"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size:
        return CHECKPOINT  # safetensors
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"<") and b"<net " in text:
        return "openvino"
    if text.startswith(b"{"):
        return _kind_of_json(text, path)
    return _kind_of_message(path, head)


def refuse_foreign(path: Path, given: str) -> str | None:
    """Gives the kind of a file or folder; the error for one that imgcls does not read names what makes ONNX of it.

    Raises:
        RequestError: says what it is and what to do.
    """
    kind = kind_of(path)
    if kind not in _FOREIGN:
        return kind
    what, advice = _FOREIGN[kind]
    folder = path if path.is_dir() else path.parent
    told = advice.format(file=given, folder=folder, name=path.name)
    raise RequestError(f"{given!r} is {what}, which imgcls does not read: {told}. Then `imgcls-convert model.onnx`.")


def refuse_unknown(path: Path, given: str) -> None:
    """Raises for a file that is none of what MODEL can be.

    Raises:
        RequestError: says what it seems to be, and what MODEL can be.
    """
    what = "a file of weights" if kind_of(path) == CHECKPOINT else f"a file of {path.stat().st_size:,} bytes"
    advice = (
        f"name its architecture as well: `imgcls-convert MODEL --weights {given}`"
        if kind_of(path) == CHECKPOINT
        else "MODEL may be an .onnx, TorchScript (.pt) or torch.export (.pt2) file, a TorchServe archive (.mar), "
        "FILE.py:FACTORY, a trained model's folder or a name that `imgcls-convert --list` shows"
    )
    raise RequestError(f"{given!r} is {what}, and no network that imgcls knows; {advice}.")


def _kind_of_zip(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None
    if "MAR-INF/MANIFEST.json" in names:
        return ARCHIVE
    if "model.weights.h5" in names or {"config.json", "metadata.json"} <= set(names):
        return "keras"
    if any("com.apple.CoreML/" in name for name in names):
        return "mlpackage"
    if _ends(names, ("/constants.pkl", "archive_format", "serialized_exported_program.json")):
        return PROGRAM
    if _ends(names, ("data.pkl",)):
        return CHECKPOINT
    return "numpy" if _ends(names, (".npy",)) else None


def _ends(names: Iterable[str], suffixes: tuple[str, ...]) -> bool:
    return any(name.endswith(suffixes) for name in names)


def _kind_of_json(head: bytes, path: Path) -> str | None:
    if b'"modelTopology"' in head or b'"weightsManifest"' in head or b'"layers-model"' in head:
        return "tfjs"
    if b'"program"' in head and path.suffix == ".json":
        return "paddle"
    return "mxnet" if b'"nodes"' in head and path.name.endswith("-symbol.json") else None


def _kind_of_message(path: Path, head: bytes) -> str | None:
    """Tells protobuf messages apart by the fields that they have."""
    if path.suffix in {".pdmodel", ".pdiparams", ".pdparams"}:
        return "paddle"
    fields = _fields(path)
    if fields.get(_ONNX_VERSION) and any(number in _COREML_MODELS for number in fields):
        return "coreml"
    if path.suffix == ".onnx" or (_ONNX_GRAPH in fields and fields.get(_ONNX_VERSION)):
        return ONNX
    if path.suffix == ".caffemodel" or (fields and _CAFFE_LAYERS & fields.keys() and b"Caffe" in head):
        return "caffe"
    if fields.keys() == {1, 2} and fields[1]:
        return "saved_model"
    if b"Placeholder" in head or (path.suffix == ".pb" and fields):
        return "graph_def"
    return None


def _fields(path: Path) -> dict[int, bool]:
    """Gives the numbers of a message's fields, and whether each holds a number; of one cut off those before."""
    fields: dict[int, bool] = {}
    try:
        with path.open("rb") as file:
            for place, field in enumerate(read_fields(file)):
                fields.setdefault(field.number, field.size == 0)
                if place > _MOST_FIELDS:
                    break
    except WireError:
        pass
    return fields
