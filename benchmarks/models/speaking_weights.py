"""Random weights whose answers differ from image to image, for networks that nobody has trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

_TRIALS = 8
_LOGIT_STD = 3.0


def images_of(count: int, size: tuple[int, int], seed: int = 1) -> Tensor:
    """Gives coarse noise, which survives a network better than fine: float32 [count, 3, height, width]."""
    coarse = torch.randn(count, 3, 12, 12, generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(coarse, size=size, mode="bicubic")


def speak(network: nn.Module, size: tuple[int, int], logits_of: Callable[[Any], Tensor] = lambda out: out) -> nn.Module:
    """Draws weights, takes statistics from noise, and scales the last layer until logits have a deviation of 3.

    Args:
        network: gets new weights.
        size: height and width of its input, in pixels.
        logits_of: takes the logits out of what it gives.
    """
    torch.manual_seed(20180)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if any(word in name for word in ("layer_scale", "lambda", "gamma_", ".gamma")) and parameter.ndim <= 4:
                parameter.uniform_(0.3, 0.7)
            elif parameter.ndim > 1:
                parameter.normal_(0, 1.2 / max(1, parameter[0].numel()) ** 0.5)
            elif name.endswith("bias"):
                parameter.normal_(0, 0.05)
        for part in network.modules():
            if isinstance(part, nn.BatchNorm2d | nn.BatchNorm1d):
                part.momentum = None  # the plain mean of what passes
        noise = images_of(_TRIALS, size)
        network.train()(noise)
        logits = logits_of(network.eval()(noise))
        if (head := _head(network, logits.shape[1])) is not None:
            scale = _LOGIT_STD / logits.std(dim=0).mean().clamp(min=1e-12)
            head.weight.mul_(scale)
            if head.bias is not None:
                head.bias.mul_(scale).sub_(logits.mean(dim=0) * scale)
    return network


def _head(network: nn.Module, outputs: int) -> Any:  # noqa: ANN401 - a linear layer or a convolution
    heads = [
        part
        for part in network.modules()
        if getattr(part, "out_features", None) == outputs or getattr(part, "out_channels", None) == outputs
    ]
    return heads[-1] if heads else None
