"""What Cerebrium's hardware and plans allow.

Source: the platform's published hardware table and price list (interruptible tier), read in October 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Plan = Literal["hobby", "standard"]


@dataclass(frozen=True)
class Accelerator:
    """Limits of one kind of machine; processors and memory are for each accelerator in it."""

    max_cpu: float
    max_memory_gb: float
    on_hobby: bool
    dollars_per_s: float = 0.0


CPU_SIZES: Final = (0.25, 0.5, 1, 2, 3, 4, 6, 8, 10, 12, 16, 24, 32, 48, 64, 80)
"""Processors that a machine without accelerator can have."""

ACCELERATORS: Final[dict[str, Accelerator]] = {
    "CPU": Accelerator(48, 96, True),
    "TURING_T4": Accelerator(11, 44, True, 0.000164),
    "ADA_L4": Accelerator(11, 44, True, 0.000222),
    "AMPERE_A10": Accelerator(11, 44, True, 0.000306),
    "ADA_L40": Accelerator(11, 92, True, 0.000542),
    "AMPERE_A100_40GB": Accelerator(22, 284, False, 0.000555),
    "AMPERE_A100_80GB": Accelerator(22, 284, False, 0.000583),
    "BLACKWELL_RTX6000": Accelerator(24, 218, False, 0.000694),
    "HOPPER_H100": Accelerator(24, 256, False, 0.000944),
    "HOPPER_H200": Accelerator(24, 256, False, 0.001166),
    "BLACKWELL_B200": Accelerator(44, 496, False, 0.00167),
}
"""By the name in `hardware.compute`; Inferentia and Trainium are left out: ONNX Runtime does not run there."""

CPU_DOLLARS_PER_S: Final = 6.55e-6
"""One processor for one second."""

MEMORY_DOLLARS_PER_GB_S: Final = 2.22e-6

REGIONS: Final[dict[str, frozenset[str] | None]] = {
    "global": None,
    "us-east-1": frozenset(ACCELERATORS) - {"BLACKWELL_RTX6000"},
    "us-central1": frozenset({"CPU", "BLACKWELL_RTX6000", "BLACKWELL_B200", "HOPPER_H200"}),
    "eu-north-1": frozenset({"CPU", "HOPPER_H100", "ADA_L40", "ADA_L4", "AMPERE_A10", "TURING_T4"}),
    "eu-north1": frozenset({"CPU", "HOPPER_H200", "HOPPER_H100", "ADA_L40"}),
}
"""What each region has; None: it is not pinned."""


@dataclass(frozen=True)
class PlanLimits:
    """What one replica, and one app, may have on a plan."""

    max_cpu: float
    max_memory_gb: float
    max_accelerators: int
    max_gpu_replicas: int
    max_cpu_replicas: int


PLANS: Final[dict[Plan, PlanLimits]] = {
    "hobby": PlanLimits(16, 60, 1, 5, 500),
    "standard": PlanLimits(80, 496, 8, 30, 1000),
}
