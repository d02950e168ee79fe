"""ONNX files of other tools become artifacts that are proven equal to them; hostile ones get one sentence."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from imgcls_core import ImagePreprocessor, OnnxClassifier
from imgcls_testing.commands import Outcome, RunCli
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from PIL import Image
from torch import nn

LABELS = Path(__file__).parents[3] / "tests/data/colours.txt"
HALVES = ["--range", "-1..1"]
SIDE = 32
CLASSES = 8
CORNERS = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (1, 0, 1), (0, 0, 0), (1, 1, 1)]


def colour_weights() -> np.ndarray:
    """The closer the mean colour of the quarters is to a prototype, the higher: float32 [12, 8]."""
    prototypes = np.array(CORNERS, np.float32) * 2 - 1
    quarters = np.array([1.3, 1.1, 0.9, 0.7], np.float32) / 4
    return (2 * prototypes[:, :, None] * quarters).reshape(CLASSES, 12).T.copy()


def colour_model(
    *,
    channels_last: bool = False,
    element: int = TensorProto.FLOAT,
    batch: int | str = "N",
    side: int | str = SIDE,
    opset: int = 17,
    ir_version: int = 8,
    tail: list[NodeProto] | None = None,
    outputs: list[Any] | None = None,
    reshaped: bool = False,
    scale: float = 1.0,
) -> ModelProto:
    """The network; takes the range -1 to 1, or levels where it takes uint8. `tail` makes outputs of "scores"."""
    floats = TensorProto.FLOAT if element == TensorProto.UINT8 else element
    kind = helper.tensor_dtype_to_np_dtype(floats)
    initial = [numpy_helper.from_array((colour_weights() * scale).astype(kind), "weight")]
    nodes: list[NodeProto] = []
    x = "image"
    if element == TensorProto.UINT8:
        nodes += [
            helper.make_node("Cast", [x], ["levels"], to=TensorProto.FLOAT),
            helper.make_node("Div", ["levels", "half"], ["doubled"]),
            helper.make_node("Sub", ["doubled", "one"], ["centred"]),
        ]
        initial += [numpy_helper.from_array(np.float32(127.5), "half"), numpy_helper.from_array(np.float32(1), "one")]
        x = "centred"
    if channels_last:
        nodes.append(helper.make_node("Transpose", [x], ["planes"], perm=[0, 3, 1, 2]))
        x = "planes"
    nodes.append(helper.make_node("AveragePool", [x], ["pooled"], kernel_shape=[16, 16], strides=[16, 16]))
    if reshaped:
        initial.append(numpy_helper.from_array(np.array([batch, 12], np.int64), "shape"))
        nodes.append(helper.make_node("Reshape", ["pooled", "shape"], ["flat"]))
    else:
        nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"], axis=1))
    nodes.append(helper.make_node("MatMul", ["flat", "weight"], ["scores"]))
    shape = [batch, side, side, 3] if channels_last else [batch, 3, side, side]
    inputs = [helper.make_tensor_value_info("image", element, shape)]
    if ir_version < 4:
        inputs += [helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in initial]
    graph = helper.make_graph(
        [*nodes, *(tail or [])],
        "colours",
        inputs,
        outputs or [helper.make_tensor_value_info("scores", floats, [batch, CLASSES])],
        initial,
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version, producer_name="another tool"
    )


def scores(name: str = "answer", element: int = TensorProto.FLOAT, shape: list[Any] | None = None) -> Any:
    """An output of the model."""
    return helper.make_tensor_value_info(name, element, shape or ["N", CLASSES])


def saved(model: ModelProto, path: Path) -> Path:
    """Writes the file."""
    path.write_bytes(model.SerializeToString())
    return path


def tensor_elsewhere(model: ModelProto, location: str, **said: int) -> ModelProto:
    """Says of the first tensor that it lies in another file."""
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **said}.items():
        tensor.external_data.add(key=key, value=str(value))
    return model


def with_external_data(model: ModelProto, path: Path) -> Path:
    """Writes the tensors beside the file, as exporters do."""
    onnx.save(model, path, save_as_external_data=True, location=f"{path.name}.data", size_threshold=0)
    return path


def convert(run_cli: RunCli, file: Path, *options: object) -> tuple[Outcome, Path]:
    output = file.with_name("made.onnx")
    return run_cli(file, "--labels", LABELS, "--output", output, *options), output


def assert_names_colours(path: Path) -> OnnxClassifier:
    classifier = OnnxClassifier(path, provider="cpu", threads=1)
    preprocess = ImagePreprocessor(classifier.metadata.preprocessing)
    shades = ("red", "blue", "yellow", "white")
    pixels = np.stack([preprocess(Image.new("RGB", (70, 50), shade)) for shade in shades])
    answers = classifier.predict(pixels)
    assert [classifier.top_k(answer, 1)[0].label for answer in answers] == list(shades)
    return classifier


def node(op: str, *inputs: str, output: str = "answer", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, list(inputs), [output], **attributes)


FORMS: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "channels last, as of TensorFlow": ({"channels_last": True}, HALVES, ""),
    "levels as uint8": ({"element": TensorProto.UINT8, "channels_last": True}, [], "levels 0..255"),
    "float16": ({"element": TensorProto.FLOAT16}, HALVES, ", fp16"),
    "one image at a time": ({"batch": 1, "reshaped": True}, HALVES, ""),
    "four images at a time": ({"batch": 4, "reshaped": True, "opset": 13}, HALVES, ""),
    "any size": ({"side": "S"}, [*HALVES, "--image-size", "32"], ""),
    "opset 9 with its tensors among the inputs": ({"opset": 9, "ir_version": 3}, HALVES, ""),
    "opset 21": ({"opset": 21, "ir_version": 10}, HALVES, ""),
    "softmax inside": (
        {"tail": [node("Softmax", "scores", axis=1)], "outputs": [scores()]}, HALVES, "gives probabilities already",
    ),
    "log-softmax inside": (
        {"tail": [node("LogSoftmax", "scores", axis=1)], "outputs": [scores()]}, HALVES, "gives log-probabilities",
    ),
    "sigmoid inside": ({"tail": [node("Sigmoid", "scores")], "outputs": [scores()]}, HALVES, "multi-label"),
    "scores as [N, classes, 1, 1]": (
        {"tail": [node("Unsqueeze", "scores", "axes")], "outputs": [scores(shape=["N", CLASSES, 1, 1])]}, HALVES, "",
    ),
    "one of two outputs": (
        {"tail": [node("Relu", "scores")], "outputs": [scores(), scores("scores")]},
        [*HALVES, "--output-name", "scores"], "made.onnx",
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_classifier_in_any_form_is_proven_equal_to_its_file(run_cli: RunCli, tmp_path: Path, form: str) -> None:
    options, said, told = FORMS[form]
    model = colour_model(**options)
    if any("axes" in each.input for each in model.graph.node):
        model.graph.initializer.append(numpy_helper.from_array(np.array([2, 3], np.int64), "axes"))
    file = saved(model, tmp_path / "classifier.onnx")
    made, output = convert(run_cli, file, *said)
    assert made.code == 0, made.err
    assert told in made.out + made.err
    source = assert_names_colours(output).metadata.source
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (source.yardstick, source.weights_sha256) == ("classifier.onnx", digest)
    proof = f"proven equal to classifier.onnx, sha256 {digest}"
    assert proof in made.out
    assert proof in run_cli("inspect", output).out
    assert "PyTorch" not in made.out


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 8, 3, stride=4, padding=1)
        self.linear = nn.Linear(8 * 4 * 4, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.adaptive_avg_pool2d(torch.relu(self.convolution(x)), 4)
        return 8 * self.linear(x.view(x.shape[0], -1))


@pytest.mark.filterwarnings("ignore")  # of the exporters
@pytest.mark.parametrize("dynamo", [True, False])
def test_what_pytorchs_exporters_write_converts(run_cli: RunCli, tmp_path: Path, dynamo: bool) -> None:
    torch.manual_seed(20180)
    file = tmp_path / "classifier.onnx"
    torch.onnx.export(
        Small().eval(), (torch.zeros(1, 3, 32, 32),), file, dynamo=dynamo, external_data=dynamo, verbose=False
    )
    made, output = convert(run_cli, file, "--mean", "0.5", "0.5", "0.5", "--std", "0.2", "0.2", "0.2")
    assert made.code == 0, made.err
    assert run_cli("verify", output, "--model", file).out.startswith(f"{output} equals classifier.onnx on 14 images")


def test_tensors_beside_the_file_are_joined(run_cli: RunCli, tmp_path: Path) -> None:
    file = with_external_data(colour_model(), tmp_path / "classifier.onnx")
    made, output = convert(run_cli, file, *HALVES)
    assert made.code == 0, made.err
    assert "classifier.onnx.data beside it" in (assert_names_colours(output).metadata.source.weights or "")
    (tmp_path / "classifier.onnx.data").write_bytes(b"short")
    refused, _ = convert(run_cli, file, *HALVES)
    assert (refused.code, "it has 5 bytes" in refused.sentence) == (2, True)


def test_functions_of_the_files_own_are_inlined(run_cli: RunCli, tmp_path: Path) -> None:
    model = colour_model(tail=[helper.make_node("Sharper", ["scores"], ["answer"], domain="own")], outputs=[scores()])
    twice = helper.make_node("Add", ["x", "x"], ["y"])
    opset = helper.make_opsetid("", 17)
    model.functions.append(helper.make_function("own", "Sharper", ["x"], ["y"], [twice], [opset]))
    model.opset_import.append(helper.make_opsetid("own", 1))
    outcome, path = convert(run_cli, saved(model, tmp_path / "own.onnx"), *HALVES)
    assert outcome.code == 0, outcome.err
    assert_names_colours(path)


def test_a_smaller_precision_is_compared_with_the_file_too(run_cli: RunCli, tmp_path: Path) -> None:
    file = saved(colour_model(), tmp_path / "classifier.onnx")
    made, output = convert(run_cli, file, *HALVES, "--precision", "fp16")
    assert made.code == 0, made.err
    assert assert_names_colours(output).metadata.source.precision == "fp16"


def hostile(kind: str, folder: Path) -> tuple[onnx.ModelProto | bytes, str]:
    """Gives a file and a part of the sentence that refuses it."""
    base = colour_model()
    loop = helper.make_graph([], "body", [], [])
    models: dict[str, tuple[Any, str]] = {
        "cut off": (base.SerializeToString()[:-200], "is not"),
        "empty": (b"", "it is empty"),
        "text": (b"hello, this is no ONNX", "is not ONNX"),
        "outside": (tensor_elsewhere(colour_model(), "../secret", length=384), "only files in its own folder are read"),
        "absolute": (tensor_elsewhere(colour_model(), str(folder.parent / "secret"), length=384), "own folder"),
        "through a link": (tensor_elsewhere(colour_model(), "link", length=384), "own folder"),
        "missing": (tensor_elsewhere(colour_model(), "gone", length=384), "which is not beside it"),
        "makes too much": (colour_model(tail=[node("ConstantOfShape", "much", output="big"),
                                              node("ReduceMax", "big", output="one", keepdims=0),
                                              node("Add", "scores", "one")], outputs=[scores()]), "makes a tensor of"),
        "endless": (tensor_elsewhere(colour_model(), "short", length=1 << 60), "cannot be read from 'short'"),
        "two inputs": (base, "must have one input"),
        "cycle": (colour_model(tail=[node("Add", "scores", "later"), node("Relu", "answer", output="later")],
                               outputs=[scores()]), "is not valid ONNX"),
        "huge tensor": (base, "elements"),
        "loop": (colour_model(tail=[helper.make_node("Loop", ["", "", "scores"], ["answer"], body=loop)],
                              outputs=[scores()]), "has a loop"),
        "custom operator": (colour_model(tail=[node("Magic", "scores", domain="com.example")], outputs=[scores()]),
                            "uses the operator 'Magic' of 'com.example'"),
        "ZipMap": (colour_model(tail=[node("ZipMap", "scores", domain="ai.onnx.ml")], outputs=[scores()]),
                   "uses the operator 'ZipMap' of 'ai.onnx.ml'"),
        "string output": (colour_model(tail=[node("Cast", "scores", to=TensorProto.STRING)],
                                       outputs=[scores(element=TensorProto.STRING)]), "gives no scores"),
        "class numbers": (colour_model(tail=[node("ArgMax", "scores", axis=1)],
                                       outputs=[scores(element=TensorProto.INT64, shape=["N", 1])]), "gives no scores"),
        "class numbers as scores": (
            colour_model(tail=[node("ArgMax", "scores", output="first", axis=1), node("Cast", "first", to=1)],
                         outputs=[scores(shape=["N", 1])]), "is made by ArgMax, which says what comes first"),
        "two outputs": (colour_model(tail=[node("Relu", "scores")], outputs=[scores(), scores("scores")]),
                        "Say with `--output-name NAME`"),
        "gray images": (base, "must take a batch of RGB images"),
        "no batch": (base, "must take a batch of RGB images"),
        "wrong type": (base, "must take a batch of RGB images"),
        "opset of tomorrow": (colour_model(opset=99), "ONNX"),
    }  # fmt: skip
    model, sentence = models[kind]
    value = base.graph.input[0]
    if kind == "two inputs":
        base.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1]))
    elif kind == "huge tensor":
        base.graph.initializer[0].dims[:] = [1 << 20, 1 << 20]
    elif kind == "makes too much":
        much = numpy_helper.from_array(np.array([1 << 20, 1 << 10], np.int64), "much")
        model.graph.initializer.append(much)
    elif kind == "gray images":
        value.CopyFrom(helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 32, 32]))
    elif kind == "no batch":
        value.CopyFrom(helper.make_tensor_value_info("image", TensorProto.FLOAT, [3, 32, 32]))
    elif kind == "wrong type":
        value.CopyFrom(helper.make_tensor_value_info("image", TensorProto.INT64, ["N", 3, 32, 32]))
    return model, sentence


@pytest.mark.parametrize(
    "kind",
    [
        "cut off", "empty", "text", "outside", "absolute", "through a link", "missing", "endless", "makes too much",
        "two inputs", "cycle", "huge tensor", "loop", "custom operator", "ZipMap", "string output", "class numbers",
        "class numbers as scores",
        "two outputs", "gray images", "no batch", "wrong type", "opset of tomorrow",
    ],
)  # fmt: skip
def test_hostile_and_unfit_files_get_one_sentence(run_cli: RunCli, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(384))
    (folder / "short").write_bytes(bytes(10))
    (folder / "link").symlink_to(tmp_path / "secret")
    model, sentence = hostile(kind, folder)
    file = folder / "classifier.onnx"
    file.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    refused, output = convert(run_cli, file, *HALVES)
    assert (refused.code, sentence in refused.sentence) == (2, True), refused.err
    assert "Traceback" not in refused.err
    assert not output.exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "classifier.onnx does not say what its pixels are"),
        (["--mean", "0.5", "0.5", "0.5"], "does not say what its pixels are"),
        ([*HALVES, "--image-size", "64"], "takes images of 32 × 32 px"),
        ([*HALVES, "--weights", "w.pth"], "holds its weights already"),
        ([*HALVES, "--output-name", "nothing"], "has no such output; it has 'scores' (float [?, 8])"),
        ([*HALVES, "--num-classes", "3"], "`--num-classes 3` was asked for and the network has 8"),
    ],
)
def test_what_a_file_does_not_say_is_asked_about(
    run_cli: RunCli, tmp_path: Path, options: list[str], sentence: str
) -> None:
    refused, output = convert(run_cli, saved(colour_model(), tmp_path / "classifier.onnx"), *options)
    assert (refused.code, sentence in refused.sentence) == (2, True), refused.err
    assert not output.exists()


def test_a_file_of_any_size_is_asked_for_its_size_and_one_of_uint8_takes_no_mean(
    run_cli: RunCli, tmp_path: Path
) -> None:
    refused, _ = convert(run_cli, saved(colour_model(side="S"), tmp_path / "classifier.onnx"), *HALVES)
    assert (refused.code, "say `--image-size PX`" in refused.sentence) == (2, True)
    levels = saved(colour_model(element=TensorProto.UINT8), tmp_path / "levels.onnx")
    refused, _ = convert(run_cli, levels, *HALVES)
    assert (refused.code, "takes levels from 0 to 255 as uint8" in refused.sentence) == (2, True)


def test_an_artifact_is_recognised_and_never_overwritten(run_cli: RunCli, tmp_path: Path, colours_path: Path) -> None:
    refused, _ = convert(run_cli, colours_path)
    assert (refused.code, "is an artifact of imgcls already" in refused.sentence) == (2, True)
    file = saved(colour_model(), tmp_path / "classifier.onnx")
    before = file.read_bytes()
    refused = run_cli(file, *HALVES, "--output", file)
    assert (refused.code, "would take the place of" in refused.sentence) == (2, True)
    assert file.read_bytes() == before


def test_a_fixed_batch_that_cannot_be_freed_is_refused(run_cli: RunCli, tmp_path: Path) -> None:
    model = colour_model(batch=1, tail=[node("Concat", "scores", "row", axis=1, output="wide")],
                         outputs=[scores("wide", shape=[1, CLASSES + 1])])  # fmt: skip
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((1, 1), np.float32), "row"))
    file = saved(model, tmp_path / "classifier.onnx")
    refused = run_cli(file, *HALVES, "--output", tmp_path / "made.onnx")
    assert (refused.code, "Export it with a free batch size" in refused.sentence) == (5, True), refused.err
