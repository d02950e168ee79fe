"""Compares hardware and scaling with what the platform and the plan allow; each fault is one sentence."""

from __future__ import annotations

from collections.abc import Iterator

from imgcls_cerebrium.config import HardwareTable, ScalingTable
from imgcls_cerebrium.hardware import ACCELERATORS, CPU_SIZES, PLANS, REGIONS, Plan


def hardware_faults(hardware: HardwareTable, scaling: ScalingTable, plan: Plan) -> Iterator[str]:
    """Checks the machine: its kinds, its size, its region, and the number of replicas on the plan."""
    for kind in hardware.kinds:
        if kind not in ACCELERATORS:
            yield f"hardware.compute names {kind!r}; there are {', '.join(ACCELERATORS)}."
            return
    yield from _machine_faults(hardware, plan)
    yield from _gpu_faults(hardware) if hardware.has_gpu else _cpu_faults(hardware)
    yield from _plan_faults(hardware, scaling, plan)
    if hardware.region not in REGIONS:
        yield f"hardware.region is {hardware.region!r}; there are {', '.join(REGIONS)}."
    elif (offered := REGIONS[hardware.region]) is not None:
        for kind in hardware.kinds:
            if kind not in offered:
                yield f"hardware.region {hardware.region} has no {kind}; it has {', '.join(sorted(offered))}."


def scaling_faults(scaling: ScalingTable) -> Iterator[str]:
    """Checks the combinations that the platform refuses."""
    metric = scaling.scaling_metric
    if scaling.min_replicas > scaling.max_replicas:
        yield f"scaling.min_replicas is {scaling.min_replicas}, above max_replicas, {scaling.max_replicas}."
    by_machine = metric in {"cpu_utilization", "memory_utilization"}
    if by_machine and scaling.min_replicas == 0:
        yield f"scaling.scaling_metric {metric} needs min_replicas of at least 1; the platform refuses 0."
    if by_machine and scaling.scaling_buffer:
        yield f"scaling.scaling_buffer is refused beside scaling_metric {metric}; set it to 0."
    if metric != "requests_per_second" and scaling.scaling_target > 100:
        yield f"scaling.scaling_target is {scaling.scaling_target}; for {metric} it is a percentage, 1-100."


def _machine_faults(hardware: HardwareTable, plan: Plan) -> Iterator[str]:
    if len(hardware.kinds) > 1 and "CPU" in hardware.kinds:
        yield "hardware.compute mixes CPU and GPU; a list must be of one family."
    count = max(1, hardware.gpu_count)
    for kind in hardware.kinds:
        limits = ACCELERATORS[kind]
        if hardware.cpu > limits.max_cpu * count or hardware.memory > limits.max_memory_gb * count:
            yield (
                f"hardware asks for {hardware.cpu:g} processors and {hardware.memory:g} GB; {count} × {kind} "
                f"allows {limits.max_cpu * count:g} and {limits.max_memory_gb * count:g} GB."
            )
        if plan == "hobby" and not limits.on_hobby:
            yield f"hardware.compute names {kind}, which the plan hobby lacks; give `--plan standard` if yours has it."


def _gpu_faults(hardware: HardwareTable) -> Iterator[str]:
    if hardware.gpu_count < 1:
        yield f"hardware.gpu_count is {hardware.gpu_count} beside {hardware.kinds[0]}; it must be at least 1."
    if hardware.cpu != int(hardware.cpu):
        yield f"hardware.cpu is {hardware.cpu:g}; beside a GPU it must be a whole number."


def _cpu_faults(hardware: HardwareTable) -> Iterator[str]:
    if hardware.gpu_count:
        yield f"hardware.gpu_count is {hardware.gpu_count} beside CPU; it must be 0."
    if hardware.cpu not in CPU_SIZES:
        sizes = ", ".join(f"{size:g}" for size in CPU_SIZES)
        yield f"hardware.cpu is {hardware.cpu:g}; without a GPU it can be {sizes}."


def _plan_faults(hardware: HardwareTable, scaling: ScalingTable, plan: Plan) -> Iterator[str]:
    limits = PLANS[plan]
    if hardware.cpu > limits.max_cpu or hardware.memory > limits.max_memory_gb:
        yield (
            f"hardware asks for {hardware.cpu:g} processors and {hardware.memory:g} GB; the plan {plan} allows "
            f"{limits.max_cpu:g} and {limits.max_memory_gb:g} GB."
        )
    if hardware.gpu_count > limits.max_accelerators:
        yield f"hardware.gpu_count is {hardware.gpu_count}; the plan {plan} allows {limits.max_accelerators}."
    replicas = limits.max_gpu_replicas if hardware.has_gpu else limits.max_cpu_replicas
    if scaling.max_replicas > replicas:
        yield f"scaling.max_replicas is {scaling.max_replicas}; the plan {plan} allows {replicas}."
