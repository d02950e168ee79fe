"""Where and in which precision a network is trained."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from imgcls_train.training.recipe import Recipe


@dataclass(frozen=True)
class Compute:
    """A device and whether it computes in bfloat16."""

    device: torch.device
    is_bf16: bool

    @classmethod
    def choose(cls, recipe: Recipe) -> Compute:
        """Takes the GPU where there is one, and bfloat16 where the recipe and the processor allow it."""
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if recipe.precision == "auto":
            return cls(device, _has_bf16(device))
        return cls(device, recipe.precision == "bf16")

    def autocast(self) -> AbstractContextManager[object]:
        """Within it, convolutions and matrix products are computed in bfloat16 where that was chosen."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.is_bf16)

    def __str__(self) -> str:
        name = torch.cuda.get_device_name() if self.device.type == "cuda" else "CPU"
        return f"{name}, {'bfloat16' if self.is_bf16 else 'float32'}"


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    # Without instructions of its own a processor emulates bfloat16, slower than float32.
    return torch.cpu._is_avx512_bf16_supported()  # pyright: ignore[reportPrivateUsage] - nothing public tells
