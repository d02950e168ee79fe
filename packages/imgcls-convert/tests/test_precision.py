import json
from collections import Counter

import numpy as np
import onnx
import pytest
from imgcls_core import OnnxClassifier
from onnx import TensorProto, numpy_helper
from PIL import Image

NETWORK = """
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.narrow = nn.Conv2d(width, 8, 1)
        self.deep = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.wide = nn.Conv2d(8, width, 1)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x):
        return x + self.norm(self.wide(self.deep(self.narrow(x).relu()).clamp(0, 6)))

def build(spread=6.0, classes=5):
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, 2), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), Block(16), Block(16),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, classes),
    )
    with torch.no_grad():  # spread the logits, so that answers are not near-ties
        noise = torch.nn.functional.interpolate(torch.randn(64, 3, 4, 4), 48)
        out = net.eval()(noise)
        net[-1].weight.mul_(spread / out.std())
        net[-1].bias.sub_((net(noise)).mean(0))
    return net
"""


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "net.py"
    path.write_text(NETWORK, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """60 blurred noise images with made-up labels."""
    folder = tmp_path_factory.mktemp("photos")
    rows = ["file,class_id"]
    for i in range(60):
        few = np.random.default_rng(i).integers(0, 256, (5, 6, 3), dtype=np.uint8)
        Image.fromarray(few).resize((90, 70), Image.Resampling.BICUBIC).save(folder / f"{i:02}.png")
        rows.append(f"{i:02}.png,{i % 5}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def convert_to(run_cli, network, photos, tmp_path_factory):
    done = {}

    def convert(precision):
        if precision not in done:
            output = tmp_path_factory.mktemp(precision) / "net.onnx"
            told = run_cli(
                f"{network}:build", "--image-size", "48", "--precision", precision, "--output", output,
                "--golden", photos / "labels.csv", "--verify-images", photos, "--calibrate", photos,
                "--min-agreement", "90",
            )  # fmt: skip
            assert told.code == 0, told.err
            done[precision] = output, told
        return done[precision]

    return convert


def report_of(output):
    return json.loads(output.with_suffix(".report.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_reduced_artifact_keeps_the_contract_and_most_answers(convert_to, precision):
    output, _ = convert_to(precision)
    classifier = OnnxClassifier(output, provider="cpu")
    assert classifier.metadata.source.precision == precision
    classifier.check_golden()
    answer = classifier.predict(np.zeros((3, 60, 70, 3), np.uint8))
    assert (answer.dtype, answer.shape) == (np.float32, (3, 5))
    assert answer.sum(axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    assert classifier.metadata.parity.top1_agreement >= 0.9
    onnx.checker.check_model(onnx.load(output), full_check=True)
    assert {(entry.domain, entry.version) for entry in onnx.load(output).opset_import} == {("", 18)}


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_both_precisions_stand_beside_pytorch_on_the_same_unseen_images(convert_to, precision):
    """Half of a folder of 60 calibrates, the other half judges."""
    output, told = convert_to(precision)
    report = report_of(output)
    fp32, reduced = report["precisions"]
    assert (fp32["precision"], reduced["precision"]) == ("fp32", precision)
    assert fp32["figures"]["images"] == reduced["figures"]["images"] == report["parity"]["images"] == 30
    assert report["held_out"] is True
    assert 0 < reduced["figures"]["mean_abs_diff"] <= reduced["figures"]["max_abs_diff"]
    assert reduced["speed_ratio"] > 0
    assert fp32["pytorch"]["top5_accuracy"] == 1.0
    heading = next(line for line in told.out.splitlines() if "agreement" in line)
    assert heading.split() == ["agreement", "top-1", "top-5", "max", "|Δp|", "mean", "|Δp|", "MB", "ms", "speed"]


def test_int8_weights_have_one_scale_per_channel(convert_to):
    model = onnx.load(convert_to("int8")[0])
    weights = {t.name: t for t in model.graph.initializer if t.data_type == TensorProto.INT8 and len(t.dims) == 4}
    assert len(weights) >= 5
    for name, tensor in weights.items():
        scales = next(t for t in model.graph.initializer if t.name == name.replace("/quantised", "/scale"))
        assert list(scales.dims) == [tensor.dims[0]]
        assert np.abs(numpy_helper.to_array(tensor)).max() == 127


def test_int8_activations_are_unsigned(convert_to):
    """Signed activations are many times slower on x86."""
    model = onnx.load(convert_to("int8")[0])
    types = {t.name: t.data_type for t in model.graph.initializer}
    zero_points = {types[node.input[2]] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    assert zero_points == {TensorProto.UINT8}


def test_fp16_keeps_the_softmax_in_float32(convert_to):
    model = onnx.load(convert_to("fp16")[0])
    known = onnx.shape_inference.infer_shapes(model).graph.value_info
    types = {value.name: value.type.tensor_type.elem_type for value in known}
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    assert types[softmax.input[0]] == TensorProto.FLOAT
    halves = Counter(t.data_type for t in model.graph.initializer)[TensorProto.FLOAT16]
    assert halves >= 5


def test_converting_to_int8_twice_gives_the_same_bytes(run_cli, network, photos, convert_to, tmp_path):
    run_cli(
        f"{network}:build", "--image-size", "48", "--precision", "int8", "--output", tmp_path / "net.onnx",
        "--golden", photos / "labels.csv", "--verify-images", photos, "--calibrate", photos,
        "--min-agreement", "90",
    )  # fmt: skip
    assert (tmp_path / "net.onnx").read_bytes() == convert_to("int8")[0].read_bytes()


def test_too_little_agreement_is_refused_with_the_layers_to_keep(run_cli, network, photos, leaves_nothing):
    """Logits a thousandth apart are near-ties: int8 must flip some of them."""
    refused = run_cli(
        f"{network}:build(spread=0.001)", "--image-size", "48", "--precision", "int8", "--min-agreement", "100",
        "--verify-images", photos, "--calibrate", photos, "--output", leaves_nothing / "net.onnx",
    )  # fmt: skip
    assert refused.code == 5
    assert "int8 names PyTorch's class on " in refused.sentence
    assert "of 30 images; 100.0% are needed. The layers to keep in float are " in refused.sentence
    assert "`--min-agreement" in refused.sentence
    assert "`--float-layers " in refused.sentence


def test_named_layers_stay_in_float(run_cli, network, photos, tmp_path):
    model = [
        f"{network}:build", "--image-size", "48", "--precision", "int8", "--verify-images", photos,
        "--calibrate", photos, "--min-agreement", "50", "--float-share", "0", "--output", tmp_path / "net.onnx",
    ]  # fmt: skip
    told = run_cli(*model, "--float-layers", "4.deep,5.deep")
    assert told.code == 0, told.err
    assert report_of(tmp_path / "net.onnx")["float_layers"] == ["4.deep", "5.deep"]
    refused = run_cli(*model, "--float-layers", "4.depe")
    assert (refused.code, "no such layer; it has 4.deep" in refused.sentence) == (2, True), refused.err


def test_without_calibration_images_a_warning_says_how_many_are_wanted(run_cli, network, photos, tmp_path):
    told = run_cli(
        f"{network}:build", "--image-size", "48", "--precision", "int8", "--verify-images", photos,
        "--min-agreement", "50", "--output", tmp_path / "net.onnx",
    )  # fmt: skip
    assert told.code == 0, told.err
    assert "the 14 golden images set the ranges; about 100 images like those of the service are wanted" in told.err


def test_a_calibration_folder_without_images_is_a_usage_error(run_cli, network, tmp_path, leaves_nothing):
    (tmp_path / "empty").mkdir()
    refused = run_cli(
        f"{network}:build", "--precision", "int8", "--calibrate", tmp_path / "empty",
        "--output", leaves_nothing / "n.onnx",
    )  # fmt: skip
    assert refused.code == 2
    assert "holds no images" in refused.sentence


@pytest.mark.parametrize("option", [["--calibrate", "."], ["--min-agreement", "99"]])
def test_fp32_takes_no_concessions(run_cli, network, leaves_nothing, option):
    refused = run_cli(f"{network}:build", *option, "--output", leaves_nothing / "n.onnx")
    assert (refused.code, "fp32 must be exact" in refused.sentence) == (2, True)


def second_look_of(output):
    return next((node for node in onnx.load(output).graph.node if node.name == "second_look/If"), None)


def test_close_calls_of_int8_are_answered_by_the_float_network(run_cli, network, photos, tmp_path):
    """Where all calls are close, and all may be, int8 answers as float32 does but for its weights' float16."""
    model = [
        f"{network}:build(classes=300)", "--image-size", "48", "--precision", "int8", "--verify-images", photos,
        "--calibrate", photos, "--float-share", "0", "--min-agreement", "0", "--weak-proof",
    ]  # fmt: skip
    found = {}
    for percent in ("0", "100"):
        output = tmp_path / f"{percent}.onnx"
        told = run_cli(*model, "--second-look", percent, "--output", output)
        assert told.code == 0, told.err
        found[percent] = report_of(output), second_look_of(output), OnnxClassifier(output, provider="cpu")
        assert ("second look" in told.out) == (percent == "100")
    never, always = found["0"], found["100"]
    assert (never[0]["second_look"], never[1]) == (None, None)
    assert 0 < always[0]["second_look"]["share"] <= 1
    assert always[1] is not None
    assert always[0]["parity"]["top1_agreement"] > never[0]["parity"]["top1_agreement"]
    images = np.random.default_rng(1).integers(0, 256, (9, 48, 48, 3), np.uint8)
    together = always[2].predict(images)
    alone = np.concatenate([always[2].predict(image[None]) for image in images])
    assert together == pytest.approx(alone, abs=1e-6)  # nobody's answer depends on who else is in the batch


def test_a_refusal_says_which_second_look_would_do(run_cli, network, photos, leaves_nothing):
    model = [
        f"{network}:build(classes=300)", "--image-size", "48", "--precision", "int8", "--verify-images", photos,
        "--calibrate", photos, "--float-share", "0", "--second-look", "1", "--min-agreement", "100",
        "--output", leaves_nothing / "net.onnx",
    ]  # fmt: skip
    refused = run_cli(*model)
    assert refused.code == 5
    assert "`--second-look " in refused.sentence
