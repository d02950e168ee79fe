"""Networks by name: torchvision's, and one small residual network for 64 px images."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from imgcls_networks.architectures.factory import build_from_file
from imgcls_networks.errors import RequestError
from imgcls_networks.models.reference import FactoryReference

# 2.7 million parameters with 100 classes.
SMALL: Final = "small_resnet12"


def build_architecture(name: str, num_classes: int, folder: Path | None = None) -> nn.Module:
    """Builds a network with fresh weights.

    Args:
        name: `small_resnet12`, a classification architecture of torchvision, or FILE.py:FACTORY with a file in
            `folder`, which is imported.
        num_classes: length of the output; a factory's network keeps the one that it has (see `with_head`).
        folder: the trained model's.

    Returns:
        The network: float32 [N, 3, H, W] → logits float32 [N, num_classes].

    Raises:
        RequestError: no architecture has that name.
    """
    if name == SMALL:
        return SmallResNet(num_classes)
    if folder is not None and ".py:" in name:
        file, _, factory = name.partition(":")
        return build_from_file(FactoryReference(folder / file, factory))
    if name not in torchvision.models.list_models(module=torchvision.models):
        raise RequestError(f"There is no architecture {name!r}; take {SMALL} or a torchvision one, such as resnet18.")
    # GoogLeNet and Inception warn about their slow initialisation and have heads that only training on 299 px uses.
    options: dict[str, Any] = (
        {"init_weights": True, "aux_logits": False} if name in {"googlenet", "inception_v3"} else {}
    )
    return torchvision.models.get_model(name, weights=None, num_classes=num_classes, **options)


class SmallResNet(nn.Module):
    """A residual network for small images: 12 layers, three stages at 1/2, 1/4 and 1/8 of the input's size.

    Dense 3 × 3 convolutions over few, wide stages: on processors with matrix units these cost less time than
    depthwise ones with a tenth of the multiplications, and half the weights sit where the image is smallest.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.stem = _conv_norm(3, 32, kernel=3, stride=2)
        self.stages = nn.Sequential(
            _Residual(32, 48, stride=1),
            _Residual(48, 128, stride=2),
            _Residual(128, 128, stride=1),
            _Residual(128, 256, stride=2),
            _Residual(256, 256, stride=1),
        )
        self.head = nn.Linear(256, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, _Residual):
                # Every block begins as its shortcut; deep gradients are then sane from the first step.
                nn.init.zeros_(module.second.get_parameter("1.weight"))

    def forward(self, images: Tensor) -> Tensor:
        """Gives the logits: float32 [N, 3, H, W] → float32 [N, classes]."""
        features = self.stages(F.relu(self.stem(images), inplace=True))
        return self.head(features.mean(dim=(2, 3)))


class _Residual(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, *, stride: int) -> None:
        super().__init__()
        self.first = _conv_norm(channels_in, channels_out, kernel=3, stride=stride)
        self.second = _conv_norm(channels_out, channels_out, kernel=3, stride=1)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels_in != channels_out:
            # Averaging before the 1 × 1 convolution: a strided one would not look at three of four pixels.
            pool = nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity()
            self.shortcut = nn.Sequential(pool, *_conv_norm(channels_in, channels_out, kernel=1, stride=1))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.second(F.relu(self.first(x), inplace=True))
        return F.relu(inner + self.shortcut(x), inplace=True)


def _conv_norm(channels_in: int, channels_out: int, *, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
    )


def head_name(network: nn.Module) -> str:
    """Finds the module that gives the logits: the last linear layer or 1 × 1 convolution.

    Raises:
        RequestError: there is none.
    """
    heads = [name for name, module in network.named_modules() if _outputs(module) is not None]
    if not heads:
        raise RequestError(
            f"{type(network).__name__} ends in no linear layer or 1 × 1 convolution; its head is unknown."
        )
    return heads[-1]


def with_head(network: nn.Module, num_classes: int) -> nn.Module:
    """Gives the network an output of that length: a fresh head where the present one has another length."""
    name = head_name(network)
    head = network.get_submodule(name)
    if _outputs(head) == num_classes:
        return network
    fresh: nn.Module
    if isinstance(head, nn.Linear):
        fresh = nn.Linear(head.in_features, num_classes)
        # Torchvision's choice for heads; the first answers are then near the uniform distribution.
        nn.init.normal_(fresh.weight, std=0.01)
        nn.init.zeros_(fresh.bias)
    else:
        fresh = nn.Conv2d(head.in_channels, num_classes, 1)  # pyright: ignore[reportArgumentType]
    network.set_submodule(name, fresh)
    return network


def _outputs(module: nn.Module) -> int | None:
    if isinstance(module, nn.Linear):
        return module.out_features
    if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and module.bias is not None:
        return module.out_channels
    return None
