"""The exponential moving average of a network's weights: what is evaluated and kept."""

from __future__ import annotations

import copy

from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """A second network that follows the trained one.

    Args:
        network: the one that is trained.
        decay: share that the average keeps at each step; at the beginning it is less, so that the average is not
            made of random weights for long.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self._decay = decay

    def follow(self, network: nn.Module, step: int) -> None:
        """Moves towards the trained network after a step (from 0)."""
        decay = min(self._decay, (1 + step) / (10 + step))
        mine, theirs = self.network.state_dict(), network.state_dict()
        moving = [key for key, tensor in mine.items() if tensor.is_floating_point()]
        move = get_ema_multi_avg_fn(decay)
        move([mine[key] for key in moving], [theirs[key] for key in moving], step)
        for key in mine.keys() - set(moving):
            mine[key].copy_(theirs[key])
