"""Augmentation of whole batches on the device where the network is; the random numbers depend on the step alone.

So a fit that is stopped and resumed at any step draws what it would have drawn without the stop.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imgcls_train.training.recipe import Recipe

# Aspect ratios of random crops, as in torchvision's RandomResizedCrop.
_LOG_ASPECT: Final = math.log(4 / 3)
# Rec. 601 luma, what Pillow's and torchvision's grayscale use.
_LUMA: Final = (0.299, 0.587, 0.114)


class Augmenter:
    """Turns stored pixels into what the network is trained on.

    Args:
        recipe: says what is done, and how much of it.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe

    def __call__(self, pixels: Tensor, size: int, step: int) -> Tensor:
        """Crops, mirrors, recolours and normalises a batch.

        Args:
            pixels: uint8 [N, H, W, 3], RGB.
            size: side of the result in pixels.
            step: number of the training step, the seed of what is drawn.

        Returns:
            float32 [N, 3, size, size] in channels-last order, normalised.
        """
        draw = torch.Generator().manual_seed(self._recipe.seed * 1_000_003 + step)
        images = pixels.permute(0, 3, 1, 2).to(torch.float32)
        images = F.grid_sample(
            images, self._crops(images, size, draw), mode="bilinear", padding_mode="reflection", align_corners=False
        )
        images = self._recoloured(images.div_(255), draw)
        images = self._erased(images, draw)
        return normalised(images, self._recipe.mean, self._recipe.std)

    def mix(self, images: Tensor, step: int) -> tuple[Tensor, Tensor | None, float]:
        """Mixes each image with another one of the batch (mixup, Zhang et al. 2017).

        Returns:
            The images, the order of the second targets (None: not mixed), and the share of the first ones.
        """
        alpha = self._recipe.mixup_alpha
        if not alpha:
            return images, None, 1.0
        draw = np.random.default_rng([self._recipe.seed, step])
        share = float(draw.beta(alpha, alpha))
        order = torch.from_numpy(draw.permutation(len(images))).to(images.device)
        return images * share + images[order] * (1 - share), order, share

    def _crops(self, images: Tensor, size: int, draw: torch.Generator) -> Tensor:
        """Sampling grids of random crops: [N, size, size, 2] in -1 to 1."""
        count = len(images)
        area = torch.empty(count).uniform_(self._recipe.crop_scale_min, 1, generator=draw)
        aspect = torch.empty(count).uniform_(-_LOG_ASPECT, _LOG_ASPECT, generator=draw).exp()
        if self._recipe.crop_scale_min == 1:
            aspect.fill_(1)
        width = (area * aspect).sqrt().clamp(max=1)
        height = (area / aspect).sqrt().clamp(max=1)
        left = torch.empty(count).uniform_(-1, 1, generator=draw) * (1 - width)
        top = torch.empty(count).uniform_(-1, 1, generator=draw) * (1 - height)
        mirrored = torch.rand(count, generator=draw) < self._recipe.flip
        matrix = torch.zeros(count, 2, 3)
        matrix[:, 0, 0] = torch.where(mirrored, -width, width)
        matrix[:, 0, 2] = left
        matrix[:, 1, 1] = height
        matrix[:, 1, 2] = top
        return F.affine_grid(matrix.to(images.device), [count, 3, size, size], align_corners=False)

    def _recoloured(self, images: Tensor, draw: torch.Generator) -> Tensor:
        jitter = self._recipe.colour_jitter
        if not jitter:
            return images
        factors = torch.empty(3, len(images), 1, 1, 1).uniform_(1 - jitter, 1 + jitter, generator=draw)
        brightness, contrast, saturation = factors.to(images.device)
        images = images * brightness
        gray = sum(weight * images[:, i : i + 1] for i, weight in enumerate(_LUMA))
        middle = torch.as_tensor(gray).mean(dim=(1, 2, 3), keepdim=True)
        images = (gray + (images - gray) * saturation - middle) * contrast + middle
        return images.clamp_(0, 1)

    def _erased(self, images: Tensor, draw: torch.Generator) -> Tensor:
        if not self._recipe.erase:
            return images
        count, _, height, width = images.shape
        side = torch.empty(count).uniform_(0.15, 0.5, generator=draw)
        side = side * (torch.rand(count, generator=draw) < self._recipe.erase)
        centre = torch.rand(2, count, generator=draw)
        rows = (torch.arange(height) / height - centre[0, :, None]).abs() < side[:, None] / 2
        columns = (torch.arange(width) / width - centre[1, :, None]).abs() < side[:, None] / 2
        hidden = (rows[:, :, None] & columns[:, None, :])[:, None].to(images.device)
        # Half gray: near every dataset's mean.
        return images.masked_fill_(hidden, 0.5)


def normalised(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Normalises images in the 0 to 1 range, in place: float32 [N, 3, H, W], channels-last."""
    shape = (1, 3, 1, 1)
    images.sub_(torch.tensor(mean, device=images.device).view(shape))
    images.div_(torch.tensor(std, device=images.device).view(shape))
    return images.contiguous(memory_format=torch.channels_last)
