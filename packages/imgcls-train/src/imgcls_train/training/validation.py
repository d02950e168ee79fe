"""Measures a network on a split's pixels: loss, top-1, top-5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from imgcls_core.artifact import Preprocessing
from imgcls_core.images.preprocess import crop_start
from torch import Tensor, nn

from imgcls_train.data.pixels import Pixels
from imgcls_train.training.augment import normalised
from imgcls_train.training.compute import Compute

_BATCH: Final = 256


@dataclass(frozen=True)
class Measured:
    """Means over a split; the loss is the cross-entropy in nats."""

    loss: float
    top1_pct: float
    top5_pct: float


class Validation:
    """Measures networks on one split, as the finished model will see it: no crop but the centre's, no colour changes.

    Args:
        pixels: the split's images at the native size.
        preprocessing: size, mean and std.
        compute: device and precision.
    """

    def __init__(self, pixels: Pixels, preprocessing: Preprocessing, compute: Compute) -> None:
        self._pixels, self._spec, self._compute = pixels, preprocessing, compute

    def measure(self, network: nn.Module) -> Measured:
        """Asks the network for every image."""
        network.eval()
        logits, targets = self.logits(network), self._pixels.targets
        hits = logits.topk(min(5, logits.shape[1])).indices == targets[:, None]
        return Measured(
            loss=float(F.cross_entropy(logits, targets)),
            top1_pct=100 * float(hits[:, 0].float().mean()),
            top5_pct=100 * float(hits.any(dim=1).float().mean()),
        )

    @torch.inference_mode()
    def logits(self, network: nn.Module) -> Tensor:
        """Gives the network's answers: float32 [images, classes], on the CPU."""
        found: list[Tensor] = []
        for chosen in torch.arange(len(self._pixels)).split(_BATCH):
            pixels = self._centre(self._pixels.read(chosen).to(self._compute.device))
            images = pixels.permute(0, 3, 1, 2).to(torch.float32).div_(255)
            with self._compute.autocast():
                answers = network(normalised(images, self._spec.mean, self._spec.std))
            found.append(answers.float().cpu())
        return torch.cat(found)

    def _centre(self, pixels: Tensor) -> Tensor:
        height, width = self._spec.size
        top, left = crop_start(pixels.shape[1], height), crop_start(pixels.shape[2], width)
        return pixels[:, top : top + height, left : left + width]
