"""Golden cases exist to fail: each mistake in preprocessing that users really make must be seen by the check."""

import numpy as np
import pytest
import torch
from imgcls_core import GoldenMismatchError, ImagePreprocessor
from imgcls_core.images.preprocess import shortest_edge_size
from PIL import Image

FILTER = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def resized_size(spec, image):
    return spec.size[::-1] if spec.resize_size is None else shortest_edge_size(image.size, spec.resize_size)


def swap_channels(image, _spec):
    return Image.fromarray(np.asarray(image)[..., ::-1].copy())


def take_the_wrong_filter(image, spec):
    other = "bicubic" if spec.interpolation == "bilinear" else "bilinear"
    return image.resize(resized_size(spec, image), FILTER[other])


def leave_out_antialias(image, spec):
    pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float()
    width, height = resized_size(spec, image)
    small = torch.nn.functional.interpolate(pixels, (height, width), mode=spec.interpolation, align_corners=False)
    return Image.fromarray(small.round().clamp(0, 255)[0].permute(1, 2, 0).byte().numpy())


def take_another_mean(image, spec):
    """Mean 0.485 in the place of 0.5 moves every value by 4 levels."""
    small = np.asarray(image.resize(resized_size(spec, image), FILTER[spec.interpolation])).astype(int)
    return Image.fromarray(np.clip(small + 4, 0, 255).astype(np.uint8))


def shift_by_half_a_pixel(image, spec):
    box = (0.5, 0.5, *image.size)
    return image.resize(resized_size(spec, image), FILTER[spec.interpolation], box=box)


def mirror(image, _spec):
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def take_another_geometry(image, spec):
    """The square from the middle in the place of the whole image, or the whole image where a square is wanted."""
    if spec.resize_size is not None:
        return image.resize(spec.native_size)
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


MISTAKES = [
    take_another_geometry,
    swap_channels,
    take_the_wrong_filter,
    leave_out_antialias,
    take_another_mean,
    shift_by_half_a_pixel,
    mirror,
]


def check_with(mistake, classifier, monkeypatch):
    class Broken(ImagePreprocessor):
        def __call__(self, source):
            image = Image.fromarray(self.decode(source))
            return super().__call__(mistake(image, self.preprocessing))

    monkeypatch.setattr("imgcls_core.inference.golden.ImagePreprocessor", Broken)
    classifier.check_golden()


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("network", ["colours", "resnet18", "trained"])
def test_generated_cases_show_every_mistake(request, monkeypatch, network, mistake):
    """Three numbers, a ResNet-18 and a network for 64 px with random weights: none was made for these images."""
    with pytest.raises(GoldenMismatchError):
        check_with(mistake, request.getfixturevalue(network).classifier(), monkeypatch)


@pytest.mark.parametrize("network", ["colours", "resnet18", "trained"])
def test_without_a_mistake_the_check_passes(request, monkeypatch, network):
    check_with(lambda image, _spec: image, request.getfixturevalue(network).classifier(), monkeypatch)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_generated_cases_show_every_mistake_on_a_trained_network(monkeypatch, everyday100, mistake):
    with pytest.raises(GoldenMismatchError):
        check_with(mistake, everyday100.classifier(), monkeypatch)
