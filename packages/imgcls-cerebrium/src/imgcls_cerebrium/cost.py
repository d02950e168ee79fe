"""What a replica costs, and what a million images cost on it."""

from __future__ import annotations

from dataclasses import dataclass

from imgcls_cerebrium.config import HardwareTable
from imgcls_cerebrium.hardware import ACCELERATORS, CPU_DOLLARS_PER_S, MEMORY_DOLLARS_PER_GB_S

PROTECTED_FACTOR = 2
"""The protected tier's price over the interruptible one's, for GPU, processors and memory."""


@dataclass(frozen=True)
class Cost:
    """In US dollars; a replica is billed while it lives, whether or not it is asked."""

    compute: str
    hour: float
    month: float
    million_images: float


def cost_of(hardware: HardwareTable, compute: str, *, images_per_s: float, utilisation: float, protected: bool) -> Cost:
    """Computes the cost of one replica.

    Args:
        hardware: its processors, memory and GPUs.
        compute: which of its kinds.
        images_per_s: what a busy replica sustains, as `imgcls-client bench` measures it.
        utilisation: share of its life in which it is busy, above 0 and up to 1.
        protected: whether it runs in the protected tier.

    Returns:
        The cost for an hour, 30 days, and a million images. Builds and cold starts are not in it.
    """
    second = (
        ACCELERATORS[compute].dollars_per_s * hardware.gpu_count
        + CPU_DOLLARS_PER_S * hardware.cpu
        + MEMORY_DOLLARS_PER_GB_S * hardware.memory
    ) * (PROTECTED_FACTOR if protected else 1)
    return Cost(compute, second * 3600, second * 3600 * 24 * 30, second * 1e6 / (images_per_s * utilisation))
