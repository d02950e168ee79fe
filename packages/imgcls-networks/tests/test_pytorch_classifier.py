"""What PyTorch is asked for is what it computes exactly, and how far its own sums may round."""

from __future__ import annotations

import io

import numpy as np
import torch
from imgcls_cli.progress import SilentProgress
from imgcls_core.artifact import Preprocessing
from imgcls_networks.probability_network import with_probabilities
from imgcls_networks.pytorch_classifier import PyTorchClassifier
from PIL import Image
from torch import nn

SIDE = 32


def classifier(norm: nn.Module, raised: float) -> PyTorchClassifier:
    """Takes a network whose activations lie far from zero and hardly differ."""
    torch.manual_seed(1)
    network = nn.Sequential(nn.Conv2d(3, 16, 3), norm, nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten())
    network.append(nn.Linear(256, 10))
    with torch.no_grad():
        network[0].weight.mul_(0.02)
        network[0].bias.add_(raised)
        network[-1].weight.mul_(8)
    half = (0.5, 0.5, 0.5)
    spec = Preprocessing((SIDE, SIDE), "squash", None, None, "bilinear", half, half, "12")
    return PyTorchClassifier(with_probabilities(network, (SIDE, SIDE)), spec)


def images() -> list[bytes]:
    """Gives four of noise."""
    made: list[bytes] = []
    for seed in range(4):
        levels = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(levels).save(file := io.BytesIO(), "PNG")
        made.append(file.getvalue())
    return made


def test_a_network_with_group_normalisation_is_asked_in_the_layout_that_keeps_its_digits() -> None:
    network, asked = classifier(nn.GroupNorm(4, 16), raised=3), images()
    answers = network.answers([(str(place), one) for place, one in enumerate(asked)], SilentProgress())
    off = float(np.abs(answers - network.exact(asked)).max())
    assert off < 1e-4
    # The other layout is among the ways in which float32 may answer, and is ten times as far off.
    assert max(float(np.abs(way - network.exact(asked)).max()) for way in network.rounded(asked)) > 10 * off


def test_float32_may_round_farther_where_large_sums_cancel() -> None:
    asked = images()

    def farthest(raised: float) -> float:
        network = classifier(nn.GroupNorm(4, 16), raised)
        ways = [*network.rounded(asked)]
        assert len(ways) == 5
        return max(float(np.abs(way - network.exact(asked)).max()) for way in ways)

    assert farthest(raised=3) > 10 * farthest(raised=0) > 0
