"""The graph's preprocessing against torchvision on a PIL image, bit for bit."""

from functools import cache
from typing import get_args

import numpy as np
import onnx
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from imgcls_convert.graph.export import IR_VERSION, OPSET
from imgcls_convert.graph.preprocess import preprocess_nodes
from imgcls_core import ImagePreprocessor, Preprocessing
from imgcls_core.artifact import NETWORK_INPUT, Interpolation
from imgcls_core.inference.onnx_runtime import import_runtime
from msgspec import structs
from onnx import TensorProto, helper
from PIL import Image, ImageOps
from torchvision import transforms
from torchvision.transforms import InterpolationMode
from transformers.image_transforms import center_crop as hf_center_crop

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FILTERS = get_args(Interpolation)
FILTER = {name: Image.Resampling[name.upper()] for name in FILTERS}
EXTREMES = [(1, 1), (1, 5000), (5000, 1), (7, 5000), (5000, 7), (48, 48), (49, 48), (97, 48), (2, 3), (1000, 96)]


def spec_of(interpolation, resize=None, size=(48, 48), mean=MEAN):
    mode = ("squash", None, None) if resize is None else ("shortest_edge", resize, "center")
    return Preprocessing(size, *mode, interpolation, mean, STD, "13.0.0")


@cache
def session_of(spec):
    nodes, constants = preprocess_nodes(spec)
    graph = helper.make_graph(
        nodes,
        "preprocessing",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", "H", "W", 3])],
        [helper.make_tensor_value_info(NETWORK_INPUT, TensorProto.FLOAT, ["N", 3, *spec.size])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    runtime = import_runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    return runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def graph_answer(spec, batch):
    return session_of(spec).run([NETWORK_INPUT], {"images": batch})[0]


def torchvision_answer(spec, pixels):
    mode = InterpolationMode(spec.interpolation)
    if spec.pad_color is not None:
        steps = [lambda image: ImageOps.pad(image, spec.size[::-1], FILTER[spec.interpolation], spec.pad_color)]
    elif spec.resize_mode == "squash":
        steps = [transforms.Resize(list(spec.native_size), interpolation=mode)]
    else:
        steps = [transforms.Resize(spec.resize_size, interpolation=mode)]
    if spec.crop == "center":
        steps.append(transforms.CenterCrop(list(spec.size)))
    elif spec.crop == "center_floor":
        steps.append(lambda resized: hf_center_crop(np.asarray(resized), spec.size, input_data_format="channels_last"))
    levels = np.asarray(transforms.Compose(steps)(Image.fromarray(pixels)))
    planes = levels[..., ::-1] if spec.channels == "bgr" else levels  # as OpenCV has them
    values = torch.from_numpy(planes.transpose(2, 0, 1).astype(np.float32))
    return transforms.Normalize(spec.mean, spec.std)(values / 255 if spec.range == "0..1" else values).numpy()


def image(height, width, seed):
    """Noise, a ramp or extreme values: what rounds differently in a wrong resize."""
    generator = np.random.default_rng(seed)
    kind = seed % 3
    if kind == 0:
        return generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
    if kind == 1:
        return generator.integers(0, 2, (height, width, 3), dtype=np.uint8) * np.uint8(255)
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([y * 255 // height, x * 255 // width, (x + y) % 256], axis=-1).astype(np.uint8)


@st.composite
def image_sizes(draw):
    """Any size from 1 × 1 px; long ones are thin, so that Pillow's side of the comparison stays quick."""
    longer = draw(st.integers(1, 5000))
    shorter = draw(st.integers(1, max(1, min(longer, 100_000 // longer))))
    return (longer, shorter) if draw(st.booleans()) else (shorter, longer)


def with_extremes(test):
    for size in EXTREMES:
        test = example(size_px=size, seed=0)(example(size_px=size, seed=1)(test))
    return test


@pytest.mark.parametrize("interpolation", FILTERS)
@settings(max_examples=100, deadline=None, derandomize=True)
@with_extremes
@given(size_px=image_sizes(), seed=st.integers(0, 1000))
def test_squashing_gives_pillows_own_pixels(interpolation, size_px, seed):
    spec = spec_of(interpolation)
    pixels = image(*size_px, seed)
    assert np.array_equal(graph_answer(spec, pixels[None])[0], torchvision_answer(spec, pixels))


@pytest.mark.parametrize("interpolation", FILTERS)
@settings(max_examples=100, deadline=None, derandomize=True)
@with_extremes
@given(size_px=image_sizes(), seed=st.integers(0, 1000))
def test_shortest_edge_and_crop_give_pillows_own_pixels(interpolation, size_px, seed):
    spec = spec_of(interpolation, resize=55)
    pixels = image(*size_px, seed)
    assert np.array_equal(graph_answer(spec, pixels[None])[0], torchvision_answer(spec, pixels))


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("mode", ["squash", "shortest_edge"])
def test_an_odd_remainder_is_cropped_as_transformers_does(interpolation, mode):
    spec = Preprocessing((48, 47), mode, 58, "center_floor", interpolation, MEAN, STD, "13.0.0")
    shrink = ImagePreprocessor(spec).shrink
    for height, width in [(500, 375), (371, 500), (71, 70), (58, 58), (48, 47), (20, 400)]:
        pixels = image(height, width, height)
        expected = torchvision_answer(spec, pixels)
        assert np.array_equal(graph_answer(spec, pixels[None])[0], expected), (height, width)
        assert np.array_equal(graph_answer(spec, shrink(pixels)[None])[0], expected), (height, width)


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize(("resize", "size"), [(None, (30, 71)), (None, (71, 30)), (80, (30, 71)), (71, (71, 30))])
def test_networks_may_have_oblong_inputs(interpolation, resize, size):
    spec = spec_of(interpolation, resize, size)
    for height, width in [(500, 375), (375, 500), (71, 71), (80, 80), (30, 71), (20, 400)]:
        pixels = image(height, width, height)
        assert np.array_equal(graph_answer(spec, pixels[None])[0], torchvision_answer(spec, pixels)), (height, width)


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("resize", [None, 256])
def test_photo_sized_images_at_the_usual_224_px(interpolation, resize):
    spec = spec_of(interpolation, resize, (224, 224), (0.5, 0.5, 0.5))
    for height, width in [(375, 500), (500, 333), (1200, 1600), (224, 224), (256, 256), (100, 90), (3000, 40)]:
        pixels = image(height, width, 3 * width)
        assert np.array_equal(graph_answer(spec, pixels[None])[0], torchvision_answer(spec, pixels)), (height, width)


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("resize", [None, 55])
@pytest.mark.parametrize("count", [1, 3, 16])
def test_batch_of_shrunk_images_equals_each_original_alone(interpolation, resize, count):
    """A server shrinks images of mixed sizes with Pillow and batches them; the graph must not see a difference."""
    spec = spec_of(interpolation, resize)
    originals = [image(11 + 37 * i, 300 - 17 * i, i) for i in range(count)]
    shrink = ImagePreprocessor(spec).shrink
    batch = graph_answer(spec, np.stack([shrink(pixels) for pixels in originals]))
    for row, pixels in zip(batch, originals, strict=True):
        assert np.array_equal(row, graph_answer(spec, pixels[None])[0])


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("size", [(48, 48), (30, 71)])
@settings(max_examples=60, deadline=None, derandomize=True)
@with_extremes
@given(size_px=image_sizes(), seed=st.integers(0, 1000))
def test_a_letterbox_is_pillows_own_pad_in_the_graph_and_before_it(interpolation, size, size_px, seed):
    spec = structs.replace(spec_of(interpolation, None, size), resize_mode="letterbox", pad_color=(114, 7, 255))
    pixels = image(*size_px, seed)
    expected = torchvision_answer(spec, pixels)
    assert np.array_equal(graph_answer(spec, pixels[None])[0], expected)
    assert np.array_equal(graph_answer(spec, ImagePreprocessor(spec).shrink(pixels)[None])[0], expected)


@pytest.mark.parametrize("mode", [{}, {"resize_mode": "letterbox", "pad_color": (255, 114, 0)}])
@pytest.mark.parametrize(
    "values",
    [
        {"channels": "bgr"},
        {"range": "0..255", "mean": (0.0,) * 3, "std": (1.0,) * 3},
        {"range": "0..255", "channels": "bgr", "mean": (103.939, 116.779, 123.68), "std": (1.0,) * 3},
        {"range": "0..255", "mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)},
    ],
)
def test_networks_may_take_blue_first_and_levels_as_they_are(mode, values):
    spec = structs.replace(spec_of("bilinear"), **values, **mode)
    for height, width in [(375, 500), (500, 333), (48, 48), (47, 48), (1, 9), (9, 1), (3, 400)]:
        pixels = image(height, width, 3 * width + height)
        expected = torchvision_answer(spec, pixels)
        assert np.array_equal(graph_answer(spec, pixels[None])[0], expected), (height, width)
        assert np.array_equal(graph_answer(spec, ImagePreprocessor(spec).shrink(pixels)[None])[0], expected)


def test_images_of_one_batch_do_not_touch_each_other():
    spec = spec_of("bilinear")
    batch = np.stack([image(70, 90, seed) for seed in range(5)])
    together = graph_answer(spec, batch)
    for row, pixels in zip(together, batch, strict=True):
        assert np.array_equal(row, graph_answer(spec, pixels[None])[0])
