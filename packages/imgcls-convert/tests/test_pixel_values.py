"""Networks that take 0 to 255, blue first, or images on a colour: said by options, asked about where two readings are
possible, and followed by graph, golden cases, faults and reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from imgcls_core import ImagePreprocessor, OnnxClassifier
from imgcls_testing.commands import RunCli
from PIL import Image, ImageOps

CAFFE = ["103.939", "116.779", "123.68"]
TORCH = ["0.485", "0.456", "0.406"]
HALVES = ["0.5", "0.5", "0.5"]
# What is put before the colour network, so that it takes pixels as another framework would give them.
WRAPPED = """

class {name}(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = build()

    def forward(self, x):
        return self.network({pixels})

"""
TAKES = {
    "Caffe": "((x + torch.tensor([103.939, 116.779, 123.68])[:, None, None]).flip(1) / 255 - 0.5) / 0.5",
    "Levels": "(x / 255 - 0.5) / 0.5",
    "OpenCv": "(x.flip(1) - 0.5) / 0.5",
}


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory, colours_model: list[str]) -> Path:
    """The colour network for pixels of other frameworks."""
    source = Path(colours_model[0].rsplit(":", 1)[0]).read_text(encoding="utf-8")
    wrapped = "".join(WRAPPED.format(name=name, pixels=pixels) for name, pixels in TAKES.items())
    file = tmp_path_factory.mktemp("networks") / "takes.py"
    file.write_text(source + wrapped, encoding="utf-8")
    return file


def options_of(colours_model: list[str]) -> list[str]:
    return [*colours_model[1:3], "--image-size", "32"]


CONVERTED = {
    "Caffe": ["--channels", "bgr", "--range", "0..255", "--mean", *CAFFE],
    "Levels": ["--range", "0..255", "--resize", "letterbox", "--pad-color", "114", "7", "200"],
    "OpenCv": ["--channels", "bgr", "--mean", "0", "0", "0", "--std", "1", "1", "1"],
}


@pytest.mark.parametrize("name", CONVERTED)
def test_networks_of_other_frameworks_answer_rightly_and_name_their_faults(
    run_cli: RunCli, colours_model: list[str], networks: Path, tmp_path: Path, name: str
) -> None:
    output = tmp_path / f"{name}.onnx"
    made = run_cli(f"{networks}:{name}", *options_of(colours_model), *CONVERTED[name], "--output", output)
    assert made.code == 0, made.err
    classifier = OnnxClassifier(output, provider="cpu", threads=1)
    spec = classifier.metadata.preprocessing
    assert (spec.channels == "bgr", spec.range == "0..255") == (name != "Levels", name != "OpenCv")
    for colour in ("red", "blue", "cyan"):
        pixels = ImagePreprocessor(spec)(Image.new("RGB", (70, 68), colour))
        assert classifier.top_k(classifier.predict(pixels)[0], 1)[0].label == colour
    described = run_cli("inspect", output).out
    assert ("exchanged to BGR" in described, "levels 0..255" in described) == (name != "Levels", name != "OpenCv")
    assert ("on the colour 114 7 200" in described) == (name == "Levels")
    assert run_cli("verify", output, "--model", f"{networks}:{name}").code == 0
    faults = {one.fault for case in classifier.metadata.golden for one in case.counterfactuals}
    assert "channels_exchanged" in faults
    assert ("scaled" in faults, "not_scaled" in faults) == (name != "OpenCv", name == "OpenCv")
    assert ({"not_padded", "padded_wrong"} <= faults) == (name == "Levels")


def test_exchanged_channels_are_named_for_a_network_that_takes_blue_first(
    run_cli: RunCli, colours_model: list[str], networks: Path, tmp_path: Path
) -> None:
    shared = [f"{networks}:Caffe", *options_of(colours_model), "--range", "0..255", "--mean", *CAFFE]
    for channels in ("bgr", "rgb"):
        made = run_cli(*shared, "--channels", channels, "--output", tmp_path / f"{channels}.onnx")
        assert made.code == 0, made.err
    found = run_cli("diff", tmp_path / "bgr.onnx", tmp_path / "rgb.onnx")
    assert (found.code, "answers are those of: red and blue exchanged" in found.out) == (1, True)


def test_a_letterbox_is_pillows_whatever_way_the_image_takes(
    run_cli: RunCli, colours_model: list[str], tmp_path: Path
) -> None:
    output = tmp_path / "letterbox.onnx"
    made = run_cli(*colours_model, "--resize", "letterbox", "--output", output)
    assert (made.code, "bars are black" in made.err) == (0, True)
    classifier = OnnxClassifier(output, provider="cpu", threads=1)
    strip = Image.radial_gradient("L").convert("RGB").resize((90, 31))
    padded = np.asarray(ImageOps.pad(strip, (32, 32), Image.Resampling.BILINEAR, (0, 0, 0)))
    shrunk = ImagePreprocessor(classifier.metadata.preprocessing)(strip)
    assert np.array_equal(shrunk, padded)
    assert np.array_equal(classifier.predict(np.asarray(strip)[None]), classifier.predict(padded[None]))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--mean", *CAFFE], "two readings are possible: say `--range 0..255`"),
        (["--mean", *CAFFE], "write `--mean 0.4076 0.458 0.485`"),
        (["--mean", "0", "0", "0", "--std", "255", "255", "255"], "write `--std 1 1 1`"),
        (["--mean", *CAFFE, "--std", *HALVES], "and the others are not"),
        (["--range", "0..255", "--mean", *TORCH], "write `--mean 123.7 116.3 103.5`"),
        (["--range", "0..255", "--std", *HALVES], "`--range 0..255` was asked for"),
        (["--range", "0..1", "--mean", *CAFFE], "`--range 0..1` was asked for"),
        (["--range", "0..255", "--mean", *CAFFE], "say `--channels bgr`, or `--channels rgb`"),
        (["--channels", "bgr", "--mean", *TORCH, "--std", *HALVES], "say `--mean-order rgb` where 0.485 is red's"),
        (["--channels", "bgr"], "`--channels bgr` needs `--mean` and `--std`"),
        (["--range=-1..1", "--mean", *HALVES], "leave `--mean` and `--std` out"),
        (["--mean", "nan", "0", "0"], "is outside what pixels can have"),
        (["--mean", "300", "0", "0"], "is outside what pixels can have"),
        (["--pad-color", "0", "0", "0"], "say `--resize letterbox` with it"),
        (["--resize", "letterbox", "--crop", "20"], "`--resize letterbox` leaves nothing to crop"),
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_asked_about(
    run_cli: RunCli, networks: Path, leaves_nothing: Path, options: list[str], sentence: str
) -> None:
    refused = run_cli(f"{networks}:Levels", "--image-size", "32", *options, "--output", leaves_nothing / "m.onnx")
    assert (refused.code, sentence in refused.sentence) == (2, True), refused.err


def test_published_values_hold_for_the_pixels_they_were_published_for(run_cli: RunCli, resnet18_weights: Path) -> None:
    for options in (["--range", "0..255"], ["--channels", "bgr"], ["--channels", "bgr", "--mean", "0", "0", "0"]):
        refused = run_cli("resnet18", "--weights", resnet18_weights, *options)
        assert (refused.code, "say `--mean` and `--std` too" in refused.sentence) == (2, True)


def test_the_order_in_which_a_mean_is_written_can_be_said(
    run_cli: RunCli, colours_model: list[str], networks: Path, tmp_path: Path
) -> None:
    output = tmp_path / "m.onnx"
    values = ["--mean", *TORCH, "--std", "0.1", "0.2", "0.3"]
    shared = [f"{networks}:OpenCv", *options_of(colours_model), "--channels", "bgr", *values, "--skip-verify"]
    for order, mean in (("rgb", (0.406, 0.456, 0.485)), ("bgr", (0.485, 0.456, 0.406))):
        made = run_cli(*shared, "--mean-order", order, "--output", output)
        assert made.code == 0, made.err
        assert OnnxClassifier(output, provider="cpu", threads=1).metadata.preprocessing.mean == mean


def test_minus_one_to_one_is_a_mean_and_std_of_one_half(
    run_cli: RunCli, colours_model: list[str], tmp_path: Path
) -> None:
    output = tmp_path / "m.onnx"
    made = run_cli(*colours_model[:5], "--range", "-1..1", "--skip-verify", "--output", output)
    assert made.code == 0, made.err
    spec = OnnxClassifier(output, provider="cpu", threads=1).metadata.preprocessing
    assert (spec.range, spec.mean, spec.std) == ("0..1", (0.5,) * 3, (0.5,) * 3)
