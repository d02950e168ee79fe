"""Random weights that behave like trained ones, for networks that nobody has trained here.

What a random network answers hardly depends on the image, and what does is blown up by the last layer, rounding
included. A trained network has unit scale inside, and a head that reads what differs from image to image.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import torch
from imgcls_convert.images.generated import generated_images
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms.functional import pil_to_tensor

_TRIALS = 8
_GRIDS = (2, 6, 24, 160)  # cells along an edge: from nearly flat to noise
_DIRECTIONS = 6  # in which features differ most from image to image, and which the head reads
_LOGIT_STD = 2.0


def images_of(count: int, size: tuple[int, int], seed: int = 1) -> Tensor:
    """Gives soft and hard-edged patterns of differing colour and contrast: float32 [count, 3, height, width]."""
    draw = torch.Generator().manual_seed(seed)
    made: list[Tensor] = []
    for place in range(seed, seed + count):
        cells = _GRIDS[place % len(_GRIDS)]
        coarse = torch.randn(1, 3, cells, cells, generator=draw) * (0.3 + torch.rand(1, 1, 1, 1, generator=draw))
        mode = "nearest" if place // len(_GRIDS) % 2 else "bicubic"
        made.append(nn.functional.interpolate(coarse, size=size, mode=mode))
        made[-1] += 0.7 * torch.randn(1, 3, 1, 1, generator=draw)
    return torch.cat(made)


def _generated(size: tuple[int, int]) -> Iterator[Tensor]:
    """Gives the images that a conversion proves itself on: training data is like what is asked."""
    for encoded in generated_images().values():
        pixels = pil_to_tensor(Image.open(io.BytesIO(encoded)).convert("RGB").resize(size[::-1]))
        yield pixels[None] / 64 - 2


def speak(network: nn.Module, size: tuple[int, int], logits_of: Callable[[Any], Tensor] = lambda out: out) -> nn.Module:
    """Draws weights, normalises layer by layer, and has the head read what differs from image to image.

    Args:
        network: gets new weights.
        size: height and width of its input, in pixels.
        logits_of: takes the logits out of what it gives.
    """
    torch.manual_seed(20180)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            _draw(name, parameter)
        images = torch.cat([images_of(_TRIALS, size), *_generated(size)])
        norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d | nn.BatchNorm1d)]
        hooks = [part.register_forward_pre_hook(_normalise) for part in norms]
        outputs = logits_of(network.eval()(images)).shape[1]
        for hook in hooks:
            hook.remove()
        heads = [part for part in network.modules() if outputs in {_outputs(part)}]
        hooks = [part.register_forward_pre_hook(_read_differences) for part in heads]
        network(images)
        for hook in hooks:
            hook.remove()
        logits = logits_of(network(images))
        for head in heads[-1:]:
            head.weight.mul_(scale := _LOGIT_STD / logits.std(dim=0).mean().clamp(min=1e-12))
            if head.bias is not None:
                head.bias.mul_(scale)
    return network


def _draw(name: str, parameter: Tensor) -> None:
    if any(word in name for word in ("layer_scale", "lambda", "gamma_", ".gamma")):
        parameter.uniform_(0.3, 0.7)
    elif parameter.ndim > 1:
        parameter.normal_(0, 1.2 / max(1, parameter[0].numel()) ** 0.5)
    elif name.endswith("bias"):
        parameter.normal_(0, 0.05)
    elif name.endswith("weight"):
        parameter.uniform_(0.3, 0.9)  # of a normalisation, as trained ones are; some libraries begin with 0


def _normalise(norm: Any, given: tuple[Tensor, ...]) -> None:  # noqa: ANN401
    """Takes the statistics of what comes in, so that the next layer sees them applied."""
    variance, mean = torch.var_mean(given[0], dim=[d for d in range(given[0].ndim) if d != 1], correction=0)
    norm.running_mean.copy_(mean)
    # A channel that hardly moves would be blown up, with all rounding in it; training leaves few of these.
    norm.running_var.copy_(variance.clamp(min=0.2 * float(variance.mean())))


def _outputs(part: nn.Module) -> int | None:
    return getattr(part, "out_features", None) or getattr(part, "out_channels", None)


def _read_differences(head: Any, given: tuple[Tensor, ...]) -> None:  # noqa: ANN401 - a linear layer or a convolution
    features = given[0].flatten(2).mean(2) if given[0].ndim == 4 else given[0]  # [N, features]
    if features.ndim != 2 or features.shape[1] != head.weight[0].numel():
        return
    mean = features.mean(dim=0)
    _, spread, directions = torch.linalg.svd(features - mean, full_matrices=False)
    axes = directions[:_DIRECTIONS] / spread[:_DIRECTIONS, None].clamp(min=1e-12)
    weight = torch.randn(len(head.weight), len(axes)) @ axes
    head.weight.copy_(weight.view_as(head.weight))
    if head.bias is not None:
        head.bias.copy_(torch.randn(len(weight)) * 0.05 * len(features) ** -0.5 - weight @ mean)
