"""Random weights whose answers differ from image to image, for networks that nobody has trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

_TRIALS = 8
_LOGIT_STD = 2.0


def images_of(count: int, size: tuple[int, int], seed: int = 1) -> Tensor:
    """Gives coarse noise of differing colour and contrast, as photos are: float32 [count, 3, height, width]."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 3, 12, 12, generator=draw) * (0.3 + torch.rand(count, 1, 1, 1, generator=draw))
    coarse += 0.7 * torch.randn(count, 3, 1, 1, generator=draw)
    return nn.functional.interpolate(coarse, size=size, mode="bicubic")


def speak(network: nn.Module, size: tuple[int, int], logits_of: Callable[[Any], Tensor] = lambda out: out) -> nn.Module:
    """Draws weights, takes statistics from noise, and scales the last layer until logits have a deviation of 2.

    Args:
        network: gets new weights.
        size: height and width of its input, in pixels.
        logits_of: takes the logits out of what it gives.
    """
    torch.manual_seed(20180)
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d | nn.BatchNorm1d)]
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            _draw(name, parameter)
        for part in norms:
            part.momentum = None  # the plain mean of what passes
        noise = images_of(_TRIALS, size)
        network.train()(noise)
        for part in norms:
            # A channel that hardly moves would be blown up, with all rounding in it; training leaves few of these.
            part.running_var.clamp_(min=0.2 * float(part.running_var.mean()))
        logits = logits_of(network.eval()(noise))
        if (head := _head(network, logits.shape[1])) is not None:
            scale = _LOGIT_STD / logits.std(dim=0).mean().clamp(min=1e-12)
            head.weight.mul_(scale)
            if head.bias is not None:
                head.bias.mul_(scale).sub_(logits.mean(dim=0) * scale)
    return network


def _draw(name: str, parameter: Tensor) -> None:
    if any(word in name for word in ("layer_scale", "lambda", "gamma_", ".gamma")):
        parameter.uniform_(0.3, 0.7)
    elif parameter.ndim > 1:
        parameter.normal_(0, 1.2 / max(1, parameter[0].numel()) ** 0.5)
    elif name.endswith("bias"):
        parameter.normal_(0, 0.05)


def _head(network: nn.Module, outputs: int) -> Any:  # noqa: ANN401 - a linear layer or a convolution
    heads = [
        part
        for part in network.modules()
        if getattr(part, "out_features", None) == outputs or getattr(part, "out_channels", None) == outputs
    ]
    return heads[-1] if heads else None
