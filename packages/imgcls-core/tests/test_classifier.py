from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from imgcls_core import GoldenMismatchError, ImagePreprocessor, OnnxClassifier, ProviderUnavailableError
from imgcls_core.artifact import ClassInfo
from imgcls_core.errors import (
    ArtifactMetadataError,
    ArtifactNotFoundError,
    ArtifactSignatureError,
    ArtifactUnreadableError,
)
from imgcls_core.inference.top_k import top_k
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image

Changed = Callable[[Callable[[onnx.ModelProto], object]], Path]

RGB = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0), "white": (255, 255, 255)}


def plain(colour: tuple[int, int, int], height: int = 40, width: int = 50) -> NDArray[np.uint8]:
    return np.full((height, width, 3), colour, np.uint8)


@pytest.mark.parametrize("label", RGB)
def test_colours_are_named(colours: OnnxClassifier, label: str) -> None:
    assert colours.top_k(colours.predict(plain(RGB[label]))[0], 1)[0].label == label


def test_swapped_channels_flip_the_answer(colours: OnnxClassifier) -> None:
    """The network sees RGB: the same bytes read as BGR are another colour."""
    red = plain(RGB["red"])
    assert colours.top_k(colours.predict(red[..., ::-1].copy())[0], 1)[0].label == "blue"


def test_rows_are_probabilities(colours: OnnxClassifier) -> None:
    batch = np.random.default_rng(0).integers(0, 256, (5, 60, 33, 3), dtype=np.uint8)
    probabilities = colours.predict(batch)
    assert probabilities.shape == (5, 8)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)


def test_images_of_any_size_shrunk_by_core_answer_in_a_batch_as_each_does_alone_in_the_graph(
    colours: OnnxClassifier,
) -> None:
    """Bit for bit: this is what lets a server batch images of different origin."""
    preprocess = ImagePreprocessor(colours.metadata.preprocessing)
    rng = np.random.default_rng(2)
    sizes = [(1, 1), (500, 7), (32, 32), (33, 31), (640, 480), (20, 900), (250, 250), (31, 64)]
    originals = [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for height, width in sizes]
    alone = np.concatenate([colours.predict(pixels) for pixels in originals])
    for count in (1, 3, len(sizes)):
        batch = np.stack([preprocess(pixels) for pixels in originals[:count]])
        assert np.array_equal(colours.predict(batch), alone[:count])


def test_top_k_is_sorted_and_ties_go_to_the_lower_class(colours: OnnxClassifier) -> None:
    probabilities = np.array([0.1, 0.2, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1], np.float32)
    assert [p.class_id for p in colours.top_k(probabilities, 4)] == [1, 2, 0, 3]
    assert len(colours.top_k(probabilities, 8)) == 8
    shown = colours.top_k(probabilities, 4)._repr_html_()
    assert (shown.count("<meter"), shown.count("<tr>")) == (4, 4)


@pytest.mark.parametrize("k", [0, -1, 9])
def test_top_k_outside_the_classes_is_refused(colours: OnnxClassifier, k: int) -> None:
    with pytest.raises(ValueError, match=f"k is {k}; the artifact has 8 classes"):
        colours.top_k(np.full(8, 0.125, np.float32), k)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 4, 4, 3), np.float32),
        np.zeros((4, 4), np.uint8),
        np.zeros((1, 3, 4, 4), np.uint8),
        np.zeros((0, 4, 4, 3), np.uint8),
    ],
)
def test_anything_but_rgb_uint8_is_refused(colours: OnnxClassifier, images: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="RGB images are uint8"):
        colours.predict(images)


def test_an_image_is_taken_in_every_form_that_people_have(colours: OnnxClassifier, tmp_path: Path) -> None:
    image = Image.fromarray(plain(RGB["yellow"]))
    path = tmp_path / "yellow.png"
    image.save(path)
    expected = colours.predict(plain(RGB["yellow"]))
    with path.open("rb") as file:
        for form in (path, str(path), path.read_bytes(), image, file):
            assert np.array_equal(colours.predict(form), expected)


@pytest.mark.parametrize(("wrong", "advice"), [(7, "given a int"), (None, "NoneType"), (["a.jpg"], "one at a time")])
def test_what_is_no_image_is_refused_in_words(colours: OnnxClassifier, wrong: Any, advice: str) -> None:
    with pytest.raises(TypeError, match=f"predict takes a path.*{advice}"):
        colours.predict(wrong)


def test_a_classifier_says_what_it_is(colours: OnnxClassifier) -> None:
    assert repr(colours).endswith("colours.onnx': colours, 8 classes, 32 × 32 px, fp32, cpu)")


@pytest.mark.parametrize("classes", [12, 1000])
def test_top_k_is_the_start_of_all_classes_in_order_however_many_are_named(classes: int) -> None:
    source = np.random.default_rng(7)
    names = [ClassInfo(i, f"thing {i}") for i in range(classes)]
    vectors = [source.dirichlet(np.full(classes, 0.1)).astype(np.float32), np.full(classes, 1 / classes, np.float32)]
    vectors.append(np.repeat(vectors[0][: classes // 4], 4))
    for vector in vectors:
        order = sorted(range(classes), key=lambda i: (-vector[i], i))
        for k in (1, 10, 11, classes):
            answer = top_k(vector, names, k)
            assert [(one.class_id, one.label, one.probability) for one in answer] == [
                (i, f"thing {i}", float(vector[i])) for i in order[:k]
            ]


class _Uniform:
    """A runtime that needs no graph."""

    provider, provider_reason, classes = "cpu", "asked for", 8

    def __init__(self) -> None:
        self.sizes = []

    def run(self, images: NDArray[Any]) -> NDArray[np.float32]:
        self.sizes.append(len(images))
        return np.full((len(images), 8), 0.125, np.float32)


def test_another_runtime_answers_in_place_of_onnx_runtime(colours: OnnxClassifier, colours_path: Path) -> None:
    runtime = _Uniform()
    classifier = OnnxClassifier(colours_path, runtime=runtime)
    assert classifier.predict(np.zeros((3, 4, 4, 3), np.uint8)).tolist() == [[0.125] * 8] * 3
    assert (classifier.metadata, classifier.sha256, runtime.sizes) == (colours.metadata, colours.sha256, [1, 3])
    with pytest.raises(GoldenMismatchError, match="tolerance"):
        classifier.check_golden()


def test_the_file_is_identified_by_its_sha256(colours: OnnxClassifier, colours_path: Path) -> None:
    assert colours.sha256 == hashlib.sha256(colours_path.read_bytes()).hexdigest()


def test_golden_cases_are_reproduced(colours: OnnxClassifier) -> None:
    assert len(colours.replay_golden()) == len(colours.metadata.golden) > 0
    colours.check_golden()


# What an artifact must not be


@pytest.fixture
def changed(colours_path: Path, tmp_path: Path) -> Changed:
    """Writes a changed copy of the artifact, without its seal."""

    def write(change: Callable[[onnx.ModelProto], object]) -> Path:
        model = onnx.load(colours_path)
        entries = [entry for entry in model.metadata_props if entry.key != "imgcls.seal"]
        del model.metadata_props[:]
        model.metadata_props.extend(entries)
        change(model)
        path = tmp_path / "changed.onnx"
        onnx.save(model, path)
        return path

    return write


def test_a_network_that_sees_bgr_fails_its_golden_cases_by_name(changed: Changed) -> None:
    def swap_channels(model: onnx.ModelProto) -> None:
        # the first reader of the pixels gets them with red and blue exchanged
        model.graph.initializer.append(helper.make_tensor("swap", TensorProto.INT64, [3], [2, 1, 0]))
        index = next(i for i, node in enumerate(model.graph.node) if node.op_type == "Cast" and "If" in node.input[0])
        pixels = model.graph.node[index].input[0]
        model.graph.node.insert(index, helper.make_node("Gather", [pixels, "swap"], ["swapped"], axis=1))
        model.graph.node[index + 1].input[0] = "swapped"

    classifier = OnnxClassifier(changed(swap_channels), provider="cpu")
    with pytest.raises(GoldenMismatchError, match=r"differs from its recorded answer on provider 'cpu': max \|Δp\|"):
        classifier.check_golden()


def test_a_missing_file_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(ArtifactNotFoundError, match=r"no artifact at .*Make one with `imgcls-convert"):
        OnnxClassifier(tmp_path / "none.onnx")


def test_a_file_that_is_no_onnx_is_named(tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("hello", encoding="utf-8")
    with pytest.raises(ArtifactUnreadableError, match="not a model that ONNX Runtime can load"):
        OnnxClassifier(path)


def test_a_plain_onnx_model_is_not_an_artifact(changed: Changed) -> None:
    with pytest.raises(ArtifactMetadataError, match=r"carries no imgcls.* metadata"):
        OnnxClassifier(changed(lambda model: model.ClearField("metadata_props")))


def test_a_model_with_another_input_is_refused_with_what_is_needed(tmp_path: Path) -> None:
    node = helper.make_node("Identity", ["x"], ["y"])
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 224, 224]) for name in "xy"]
    model = helper.make_model(
        helper.make_graph([node], "g", value[:1], value[1:]), opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    )
    onnx.save(model, tmp_path / "float.onnx")
    with pytest.raises(ArtifactSignatureError, match=r"has inputs 'x' .* an artifact has one input 'images'"):
        OnnxClassifier(tmp_path / "float.onnx", provider="cpu")


def test_cuda_that_is_not_there_is_an_error_and_not_a_fallback(
    colours_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # also where a GPU is present
    with pytest.raises(ProviderUnavailableError, match="'cuda' was asked for and cannot be used"):
        OnnxClassifier(colours_path, provider="cuda")


def test_auto_takes_the_cpu_where_there_is_no_gpu_and_says_why(
    colours_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setitem(sys.modules, "openvino", None)  # also where it is installed
    classifier = OnnxClassifier(colours_path, provider="auto")
    assert classifier.provider == "cpu"
    assert "NVIDIA" in classifier.provider_reason or "CUDA" in classifier.provider_reason
