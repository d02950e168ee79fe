"""Learning rate and order of the images, as functions of the step alone."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from imgcls_train.training.recipe import Recipe


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """Gives the learning rate of a step (from 0): a linear warm-up, then half a cosine down to zero."""
    warmup = recipe.warmup_epochs * steps_per_epoch
    total = recipe.epochs * steps_per_epoch
    if step < warmup:
        return recipe.learning_rate * (step + 1) / warmup
    progress = (step - warmup) / max(1.0, total - warmup)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def image_order(recipe: Recipe, epoch: int, images: int) -> Tensor:
    """Gives the order of the training images in an epoch (from 0): int64 [images]."""
    return torch.randperm(images, generator=torch.Generator().manual_seed(recipe.seed * 7919 + epoch))
