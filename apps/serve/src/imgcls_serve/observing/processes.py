"""What is measured of the service's processes, as Prometheus knows it of one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial

import psutil
from prometheus_client import ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

# Of several processes: when the first began, and what each of them may have.
_LEAST = frozenset({"process_start_time_seconds"})
_MOST = frozenset({"process_max_fds"})


class Processes(Collector):
    """Adds up the figures of some processes.

    Args:
        pids: which; those that have just ended are left out.
        parent: whose children they are, where that is a process of the service too: it counts, and so does the
            processor time of children that have ended.
    """

    def __init__(self, pids: Sequence[int], *, parent: int | None = None) -> None:
        self._pids = [*pids, *([parent] if parent is not None else [])]
        self._parent = parent

    @property
    def resident_bytes(self) -> int:
        """Memory of all."""
        total = 0
        for pid in self._pids:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += psutil.Process(pid).memory_info().rss
        return total

    def collect(self) -> Iterator[Metric]:
        """Gives the figures."""
        found: dict[str, Metric] = {}
        for pid in self._pids:
            for metric in ProcessCollector(pid=partial(int, pid), registry=None).collect():
                if (whole := found.setdefault(metric.name, metric)) is not metric:
                    for sum_, one in zip(list(whole.samples), metric.samples, strict=True):
                        join = min if one.name in _LEAST else max if one.name in _MOST else float.__add__
                        whole.samples = [sum_._replace(value=join(float(sum_.value), float(one.value)))]
        if self._parent is not None and (cpu := found.get("process_cpu_seconds")) is not None:
            times = psutil.Process(self._parent).cpu_times()
            cpu.samples = [
                one._replace(value=one.value + times.children_user + times.children_system) for one in cpu.samples
            ]
        yield from found.values()
