"""Networks in the styles of common repositories for CIFAR, written by hand: what FILE.py:FACTORY is for."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class _Basic(nn.Module):
    def __init__(self, inside: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inside, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
        self.shortcut = nn.Sequential()
        if stride != 1 or inside != out:
            self.shortcut = nn.Sequential(nn.Conv2d(inside, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


class _PaddedBasic(_Basic):
    """Its shortcut drops pixels and adds empty channels, as in the first paper on residual networks."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if len(self.shortcut):
            missing = y.shape[1] - x.shape[1]
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, missing // 2, missing - missing // 2))
        return F.relu(y + x)


class ResNet(nn.Module):
    """Residual network without a pooling stem."""

    def __init__(self, block: type[_Basic], depth: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0])
        inside, layers = widths[0], []
        for stage, width in enumerate(widths):
            for place in range(depth):
                layers.append(block(inside, width, 2 if stage and not place else 1))
                inside = width
        self.layers, self.linear = nn.Sequential(*layers), nn.Linear(inside, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Gives logits: float32 [N, 3, H, W] → float32 [N, 10]."""
        x = self.layers(F.relu(self.bn1(self.conv1(x))))
        return self.linear(F.avg_pool2d(x, x.shape[-1]).view(x.shape[0], -1))


class _Dense(nn.Module):
    def __init__(self, inside: int, growth: int) -> None:
        super().__init__()
        self.bn, self.conv = nn.BatchNorm2d(inside), nn.Conv2d(inside, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.conv(F.relu(self.bn(x))), x], 1)


def resnet18_cifar() -> nn.Module:
    """The usual ResNet-18 for 32 px, narrower."""
    return ResNet(_Basic, 2, (16, 32, 64, 128))


def resnet20() -> nn.Module:
    """ResNet-20 with shortcuts that have no weights."""
    return ResNet(_PaddedBasic, 3, (16, 32, 64))


def wide_resnet() -> nn.Module:
    """Two blocks a stage, four times as wide."""
    return ResNet(_Basic, 2, (64, 128, 256))


def vgg11_bn() -> nn.Module:
    """VGG with batch normalisation and one linear layer."""
    layers: list[nn.Module] = []
    inside = 3
    for width in (16, 0, 32, 0, 64, 64, 0, 128, 128, 0, 128, 128, 0):
        layers += [nn.Conv2d(inside, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(True)] if width else []
        layers += [] if width else [nn.MaxPool2d(2, 2)]
        inside = width or inside
    return nn.Sequential(*layers, nn.AvgPool2d(1, 1), nn.Flatten(), nn.Linear(128, 10))


def densenet() -> nn.Module:
    """Three dense blocks of three layers."""
    layers: list[nn.Module] = [nn.Conv2d(3, 24, 3, padding=1, bias=False)]
    inside = 24
    for _ in range(3):
        for _ in range(3):
            layers.append(_Dense(inside, 12))
            inside += 12
        layers += [nn.BatchNorm2d(inside), nn.ReLU(), nn.Conv2d(inside, inside // 2, 1), nn.AvgPool2d(2)]
        inside //= 2
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, 10))


def lenet() -> nn.Module:
    """LeNet as tutorials have it, ending in a log softmax's input."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
